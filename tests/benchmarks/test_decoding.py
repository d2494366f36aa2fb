"""The benchmark of decoding: both methods decode the same images, and each is measured in a separate process."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.decoding import WAYS, main, table_rows
from faces.common.pixel_text import SIZES
from tests.conftest import ROOT
from tests.tiny import noise

ROWS = 3


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw emotion table."""
    monkeypatch.chdir(ROOT)
    texts = [" ".join(map(str, image.ravel())) for image in noise(ROWS, SIZES["emotion"])]
    pd.DataFrame({"emotion": 0, "pixels": texts}).to_csv(tmp_path / "emotion.csv", index=False)
    return tmp_path / "emotion.csv"


def test_both_methods_return_the_same_images(raw: Path) -> None:
    decoded = {way: decode("emotion", raw) for way, decode in WAYS.items()}
    assert len(decoded) == 2
    for images in decoded.values():
        np.testing.assert_array_equal(images.squeeze(), noise(ROWS, SIZES["emotion"]))


def test_the_command_measures_both_methods(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["emotion", str(raw), "--repeats", "1"])
    shown = capsys.readouterr().out
    for way in WAYS:
        assert re.search(rf"│ {way} +│ {ROWS} +│ [\d,]*[1-9][\d,]* +│ \d+ +│", shown), shown
    assert re.search(r"│ ratio +│ +│ \d+\.\d times +│ (\d+\.\d\d times|-) +│", shown), shown


def test_ratios_are_ours_to_the_original_s() -> None:
    results = {
        "row by row": {"rows": 9.0, "rows/s": 100.0, "MB": 8.0},
        "in chunks": {"rows": 9.0, "rows/s": 250.0, "MB": 2.0},
    }
    assert table_rows(results)[-1] == ["ratio", "", "2.5 times", "0.25 times"]
    results["row by row"]["MB"] = 0.0
    assert table_rows(results)[-1] == ["ratio", "", "2.5 times", "-"]


def test_a_table_of_the_other_model_is_an_error(raw: Path) -> None:
    with pytest.raises(SystemExit, match=r"emotion\.csv, header: no column left_eye_center_x"):
        main(["keypoints", str(raw)])
