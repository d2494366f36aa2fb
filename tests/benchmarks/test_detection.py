"""The benchmark of face detectors runs on drawn faces, and counts what it says."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.detection import main
from faces.common.schema import COORDINATES
from tests.benchmarks.test_face_scenes import drawn_faces


def test_both_parts_run_and_print_their_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = drawn_faces()
    table = pd.DataFrame(faces.keypoints.reshape(-1, 30), columns=list(COORDINATES))
    table["Image"] = [" ".join(map(str, image.ravel())) for image in faces.images]
    table["person"] = faces.persons
    table.to_csv(tmp_path / "faces.csv", index=False)
    main([str(tmp_path / "faces.csv"), "--faces", "4", "--empty", "2", "--model-set", "fast"])
    out = capsys.readouterr().out
    for words in ("Half of the subjects, CenterFace", "The other half", "cascade", "Keypoints and emotion, CenterFace"):
        assert words in out
