"""Keypoints and emotions of found faces, and the row that compares tilted faces with upright ones."""

import numpy as np

from benchmarks.detected_faces import Result
from benchmarks.face_scenes import Faces
from benchmarks.tilted_faces import predictions, tilt_row
from faces.scoring.alignment import EMOTION_POINTS
from faces.synthetic.photographs import Scene
from tests.benchmarks.test_face_scenes import drawn_faces


def predict(crops: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keypoints 1 px to the right of EMOTION_POINTS, and always the emotion 2."""
    outputs = {}
    if "keypoints" in crops:
        outputs["keypoints"] = np.repeat(EMOTION_POINTS[None] + np.array([1, 0]), len(crops["keypoints"]), axis=0)
    if "emotion" in crops:
        outputs["emotion"] = np.tile([0.1, 0.2, 0.7], (len(crops["emotion"]), 1))
    return outputs


def test_errors_and_agreement_are_of_found_faces() -> None:
    images, _, persons = drawn_faces()
    faces = Faces(images, np.repeat(EMOTION_POINTS[None], len(images), axis=0), persons)
    boxes = np.array([[0.0, 0, 96, 0], [100.0, 0, 96, 0], [200.0, 0, 96, 0]])
    scene = Scene(np.tile(images[0], (1, 3)), np.array([0, 1, 2]), boxes)
    found = Result(np.where([[1], [0], [1]], boxes, np.nan), np.array([0.9, np.nan, 0.8]), np.empty(0), 0.1)
    keypoints, emotions = predictions([scene], found, predict)
    assert emotions.tolist() == [2, -1, 2]
    assert np.isnan(keypoints[1]).all()
    np.testing.assert_allclose(keypoints[2], EMOTION_POINTS + np.array([201, 0]))
    nme = 100 / np.linalg.norm(EMOTION_POINTS[0] - EMOTION_POINTS[1])
    row = tilt_row("tilted", [scene], faces, (keypoints, emotions), (keypoints, np.array([2, 2, 0])))
    assert row == ["tilted", "2", f"{nme:.2f}", f"{nme:.2f}", "0.500 of 2"]
    assert tilt_row("upright", [scene], faces, (keypoints, emotions), None)[-1] == ""
