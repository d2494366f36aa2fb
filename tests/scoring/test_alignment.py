"""The emotion of a detected face is that of a crop by its keypoints, which depends less on the detector's box."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faces.scoring.alignment import (
    EMOTION_POINTS,
    MARGIN,
    PATCH,
    SCALE,
    WEIGHT,
    aligned_boxes,
    aligned_crops,
    surroundings,
)
from faces.scoring.face_crops import crop, image_to_crop
from faces.scoring.face_framing import SIZE
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING
from tasks.readers.records import Record
from tasks.scoring.face_crops import crop_faces
from tasks.scoring.prediction_rows import ModelInfo, predict_rows
from tests.scoring.test_batch import CLASSES, settings, stub_outputs

LEFT, SIDE = MARGIN * SCALE, SIZE * SCALE
PLACE = (200.0, 150.0, 160.0)
"""Left, top and side of the face in `photograph`."""


@pytest.fixture(scope="module")
def photograph() -> tuple[np.ndarray, np.ndarray]:
    """A picture (480, 640) uint8 with one face, and its keypoints (15, 2)."""
    left, top, side = map(int, PLACE)
    faces, keypoints = draw_faces(np.random.default_rng(5), np.array([2]), side, EMOTION_FRAMING)
    image = np.random.default_rng(1).integers(90, 110, (480, 640)).astype(np.uint8)
    image[top : top + side, left : left + side] = faces[0]
    return image, keypoints[0] + np.array([left, top])


def test_keypoints_at_their_usual_places_leave_the_box_as_it_is() -> None:
    np.testing.assert_allclose(aligned_boxes(EMOTION_POINTS[None]), [[LEFT, LEFT, SIDE, 0]], atol=1e-9)
    assert aligned_boxes(np.empty((0, 15, 2))).shape == (0, 4)


def test_the_box_follows_shifted_larger_and_tilted_keypoints_by_its_weight() -> None:
    shifted = EMOTION_POINTS + np.array([4, -2])
    expected = [LEFT + WEIGHT * SCALE * 4, LEFT - WEIGHT * SCALE * 2, SIDE, 0]
    np.testing.assert_allclose(aligned_boxes(shifted[None]), [expected], atol=1e-9)
    middle = (SIZE - 1) / 2
    larger = (EMOTION_POINTS - middle) * 1.2 + middle
    side = SIDE * (1 + WEIGHT * 0.2)
    corner = LEFT - (side - SIDE) / 2
    np.testing.assert_allclose(aligned_boxes(larger[None]), [[corner, corner, side, 0]], atol=1e-9)
    cos, sin = np.cos(np.radians(12)), np.sin(np.radians(12))
    tilted = (EMOTION_POINTS - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle
    np.testing.assert_allclose(aligned_boxes(tilted[None]), [[LEFT, LEFT, SIDE, WEIGHT * 12]], atol=1e-9)


def test_a_crop_of_the_surroundings_is_that_of_the_image(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    boxes = np.array([[*PLACE, 0.0], [190.0, 160.0, 170.0, 25.0]])
    patches = surroundings(photograph[0], boxes)
    assert patches.shape == (2, PATCH, PATCH)
    found = aligned_crops(patches, np.repeat(EMOTION_POINTS[None], 2, axis=0), 48)
    difference = found.astype(float) - crop(photograph[0], boxes, 48)
    assert abs(difference).mean() < 3
    assert aligned_crops(patches[:0], np.empty((0, 15, 2)), 48).shape == (0, 48, 48)


def test_crops_of_inexact_boxes_are_more_alike(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    image, keypoints = photograph
    generator, (left, top, side) = np.random.default_rng(2), PLACE
    sides = side * generator.uniform(0.9, 1.1, 12)
    shifts = generator.uniform(-6, 6, (12, 2)) - (sides[:, None] - side) / 2
    boxes = np.column_stack([shifts + np.array([left, top]), sides, generator.uniform(-8, 8, 12)])
    seen = image_to_crop(np.repeat(keypoints[None], 12, axis=0), boxes, SIZE)
    plain, aligned = crop(image, boxes, 48), aligned_crops(surroundings(image, boxes), seen, 48)
    assert aligned.std(axis=0).mean() < 0.6 * plain.std(axis=0).mean()


def rows(image: np.ndarray, mode: str) -> tuple[Any, list[list[str]]]:
    """The rows of a picture, and of each call of the models the names of those that ran."""
    calls: list[list[str]] = []

    def predict(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(list(faces))
        return stub_outputs(faces)

    encoded = BytesIO()
    Image.fromarray(image).save(encoded, "PNG")
    crops = crop_faces([Record("a.png", 0, encoded.getvalue())], mode, settings())
    return predict_rows(crops, predict, ModelInfo(CLASSES, "v1", {}), settings()), calls


def test_a_detected_face_is_cropped_again_after_its_keypoints_are_known(
    photograph: tuple[np.ndarray, np.ndarray],
) -> None:
    found, calls = rows(photograph[0], "detect")
    assert calls == [["keypoints"], ["emotion"]]
    (row,) = found.predictions.to_pylist()
    box = np.array([[row[name] for name in ("box_x", "box_y", "box_size", "angle")]])
    keypoints = stub_outputs({"keypoints": crop(photograph[0], box, SIZE)})["keypoints"]
    emotion = aligned_crops(surroundings(photograph[0], box), keypoints, 48)
    expected = stub_outputs({"emotion": emotion})["emotion"][0]
    np.testing.assert_allclose([row[f"probability_{name}"] for name in CLASSES], expected, atol=0.01)
    plain = stub_outputs({"emotion": crop(photograph[0], box, 48)})["emotion"][0]
    assert abs(plain - expected).max() > 0.02


def test_an_image_taken_whole_is_cropped_once(photograph: tuple[np.ndarray, np.ndarray]) -> None:
    _, calls = rows(photograph[0], "whole")
    assert calls == [["keypoints", "emotion"]]
