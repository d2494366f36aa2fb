"""Found boxes are assigned to the faces of a scene."""

import numpy as np

from benchmarks.detected_faces import search
from faces.synthetic.photographs import Scene


def test_a_box_that_no_face_owns_or_a_better_one_has_is_a_false_alarm() -> None:
    scene = Scene(np.zeros((9, 9), np.uint8), np.array([0, 1]), np.array([[0.0, 0, 100, 0], [500.0, 0, 100, 0]]))
    found = np.array([[5.0, 0, 100, 0], [0.0, 5, 100, 0], [250.0, 0, 100, 0]])
    result = search(lambda image: (found, np.array([0.5, 0.9, 0.3])), [scene])
    np.testing.assert_array_equal(result.boxes[0], found[1])
    assert np.isnan(result.scores[1])
    assert sorted(result.false_scores) == [0.3, 0.5]
