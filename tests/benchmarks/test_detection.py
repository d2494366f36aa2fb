"""The benchmark of face detectors runs on drawn faces, and counts what it says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import detection
from benchmarks.detection import search
from benchmarks.face_scenes import Scene
from faces.common.schema import COORDINATES
from tests.benchmarks.test_face_scenes import drawn_faces


def test_both_parts_run_and_print_their_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = drawn_faces()
    table = pd.DataFrame(faces.keypoints.reshape(-1, 30), columns=list(COORDINATES))
    table["Image"] = [" ".join(map(str, image.ravel())) for image in faces.images]
    table["person"] = faces.persons
    table.to_csv(tmp_path / "faces.csv", index=False)
    detection.main([str(tmp_path / "faces.csv"), "--faces", "4", "--empty", "2", "--model-set", "fast"])
    out = capsys.readouterr().out
    for words in ("Half of the subjects, CenterFace", "The other half", "cascade", "Keypoints and emotion, CenterFace"):
        assert words in out


def test_a_box_that_no_face_owns_or_a_better_one_has_is_a_false_alarm() -> None:
    scene = Scene(np.zeros((9, 9), np.uint8), np.array([0, 1]), np.array([[0.0, 0, 100, 0], [500.0, 0, 100, 0]]))
    found = np.array([[5.0, 0, 100, 0], [0.0, 5, 100, 0], [250.0, 0, 100, 0]])
    result = search(lambda image: (found, np.array([0.5, 0.9, 0.3])), [scene])
    np.testing.assert_array_equal(result.boxes[0], found[1])
    assert np.isnan(result.scores[1])
    assert sorted(result.false_scores) == [0.3, 0.5]
