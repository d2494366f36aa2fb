"""Faces are detected, cropped as in training, and keypoints map back to the image."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from faces.common.geometry import resize_images
from faces.scoring.face_crops import crop, crop_to_image, image_to_crop
from faces.scoring.face_detection import MARGIN, detect_faces
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.readers.images import grey_levels
from tasks.readers.sources import content_of

CORNERS = ((20, 30), (300, 60), (600, 20), (60, 380), (350, 330), (650, 340))
SIDE = 160
BOXES = [
    (100.0, 50.0, 96.0, 0.0),
    (101.5, 48.25, 133.0, 0.0),
    (-20.0, 30.0, 200.0, 0.0),
    (40.0, 60.0, 30.0, 0.0),
    (100.0, 50.0, 96.0, 30.0),
    (101.5, 48.25, 133.0, -75.0),
    (140.0, 60.0, 30.0, 180.0),
]


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A photograph with six synthetic faces, and their keypoints (6, 15, 2) in its pixels."""
    faces, points = draw_faces(np.random.default_rng(5), np.arange(6) % 5, SIDE, KEYPOINTS_FRAMING)
    photograph = np.full((620, 900), 150, np.uint8)
    for face, (left, top) in zip(faces, CORNERS, strict=True):
        photograph[top : top + SIDE, left : left + SIDE] = face
    return photograph, points + np.array(CORNERS)[:, None]


def test_exactly_the_faces_are_detected(scene: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, scores = detect_faces(scene[0], 1600)
    assert len(boxes) == len(scores) == 6
    assert (np.diff(boxes[:, 2]) <= 0).all()
    middles = scene[1].mean(axis=1)
    owners = [
        int(np.linalg.norm(middles - (left + side / 2, top + side / 2), axis=1).argmin())
        for left, top, side, _ in boxes
    ]
    assert sorted(owners) == list(range(6))
    for (left, top, side, _), points in zip(boxes, scene[1][owners], strict=True):
        inside = (points > [left, top]) & (points < [left + side, top + side])
        assert inside.all(axis=1).mean() >= 0.8
        # About as large in the box as in the crops of the keypoints dataset.
        assert 0.3 < np.linalg.norm(points[0] - points[1]) / side < 0.55


def test_no_face_is_detected_in_a_flat_image() -> None:
    assert detect_faces(np.full((200, 300), 90, np.uint8), 1600)[0].shape == (0, 4)


@pytest.mark.parametrize("size", [48, 96])
@pytest.mark.parametrize("box", BOXES)
def test_a_dot_in_a_crop_maps_back_to_its_position(size: int, box: tuple[float, float, float, float]) -> None:
    photograph = np.zeros((300, 400), np.uint8)
    side = box[2]
    dot = crop_to_image(np.array([[[0.6 * size, 0.3 * size]]]), np.array([box]), size)[0, 0]
    cv2.circle(photograph, np.rint(dot).astype(int).tolist(), max(round(side / 20), 2), 255, -1)
    face = crop(photograph, np.array([box]), size)[0].astype(float)
    rows, columns = np.indices(face.shape)
    centre = np.array([(face * columns).sum(), (face * rows).sum()]) / face.sum()
    back = crop_to_image(np.tile(centre, (1, 15, 1)), np.array([box]), size)
    np.testing.assert_allclose(back[0, 0], np.rint(dot), atol=0.6)


@pytest.mark.parametrize(("old", "new"), [(96, 48), (48, 96), (96, 64), (48, 80), (64, 64)])
def test_a_point_of_a_whole_face_lands_on_its_resized_pixel(old: int, new: int) -> None:
    """Each image has a bright blob around its point; the blob's centre of mass is the expected position."""
    centres = np.random.default_rng(old).uniform(0.3 * old, 0.7 * old, (1, 15, 2))
    y, x = np.indices((old, old))
    squared_distances = (x - centres[0, :, 0, None, None]) ** 2 + (y - centres[0, :, 1, None, None]) ** 2
    blobs = (255 * np.exp(-squared_distances / (2 * (old / 16) ** 2))).astype(np.uint8)
    resized = resize_images(blobs, new)
    assert resized.shape == (15, new, new)
    assert resized.dtype == np.uint8
    weights = resized / resized.sum(axis=(1, 2), keepdims=True)
    rows, columns = np.indices((new, new))
    found = np.stack([(weights * columns).sum(axis=(1, 2)), (weights * rows).sum(axis=(1, 2))], axis=1)
    whole = np.array([[0.0, 0.0, old, 0.0]])
    np.testing.assert_allclose(image_to_crop(centres, whole, new)[0], found, atol=0.06)
    np.testing.assert_allclose(crop_to_image(found[None], whole, new), centres, atol=0.06 * old / new)


@pytest.mark.parametrize(("side", "size"), [(96, 48), (48, 96), (96, 37), (96, 96)])
def test_image_to_crop_and_crop_to_image_are_inverse(side: int, size: int) -> None:
    points, box = np.random.default_rng(side).uniform(0, side - 1, (3, 15, 2)), np.array([[12.5, -7.0, side, 0]] * 3)
    box[1:, 3] = 25, -100
    there = image_to_crop(points, box, size)
    np.testing.assert_allclose(crop_to_image(there, box, size), points, atol=1e-9)
    assert np.abs(there - points).max() > 1
    # The outer edges of the box, half a pixel beyond the centres of its outer pixels, map to those of the crop.
    edges = np.array([[[12.0, -7.5], [side + 12.0, side - 7.5]]])
    np.testing.assert_allclose(image_to_crop(edges, box[:1], size), [[[-0.5] * 2, [size - 0.5] * 2]])


def test_a_box_of_the_crop_size_is_copied_unchanged() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (120, 130), np.uint8)
    face = crop(photograph, np.array([[17, 11, 96, 0]], float), 96)[0]
    np.testing.assert_array_equal(face, photograph[11:107, 17:113])
    assert MARGIN > 1


def test_a_crop_beyond_the_image_repeats_its_edge() -> None:
    photograph = np.tile(np.arange(100, 148, dtype=np.uint8)[:, None], (1, 48))
    face = crop(photograph, np.array([[-24, 0, 48, 0]], float), 48)[0]
    np.testing.assert_array_equal(face, photograph)


def test_a_photograph_is_rotated_upright(tmp_path: Path) -> None:
    """Orientation 6: the camera was held upright, and the image must be rotated right by 90 degrees."""
    from PIL import Image

    lying = np.zeros((40, 80), np.uint8)
    lying[:, :40] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(lying).save(tmp_path / "upright.jpg", exif=exif)
    upright = grey_levels(content_of(str(tmp_path / "upright.jpg")), 10_000)
    assert upright.shape == (80, 40)
    assert upright[:30].mean() > 200 > 50 > upright[50:].mean()


def test_a_large_photograph_is_searched_at_a_smaller_size(scene: tuple[np.ndarray, np.ndarray]) -> None:
    large = cv2.resize(scene[0], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    boxes, _ = detect_faces(large, 900)
    np.testing.assert_allclose(boxes, detect_faces(scene[0], 900)[0] * 3, atol=40)
