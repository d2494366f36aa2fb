"""The benchmark of tight crops runs on drawn faces."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.tight_crops import main
from tests.benchmarks.test_face_scenes import drawn_faces


def test_a_crop_of_48_px_is_always_taken_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = [" ".join(map(str, image[::2, ::2].ravel())) for image in drawn_faces().images[:4]]
    pd.DataFrame({"emotion": [0, 1, 2, 3], "pixels": pixels}).to_csv(tmp_path / "emotion.csv", index=False)
    main([str(tmp_path / "emotion.csv"), "--sizes", "48", "224", "--model-set", "fast"])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    (size, scored, whole, accuracy, by_whole), _ = (row for row in rows if row and row[0] in ("48", "224"))
    assert (size, scored, whole, accuracy) == ("48", "1.0000", "1.0000", by_whole)
