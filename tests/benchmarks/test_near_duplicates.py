"""The benchmark of near-duplicates: all ways find the same pairs, among them all that were planted."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import near_duplicates
from benchmarks.near_duplicates import PLANTED, WAYS, check, cross_split, main, make_faces, search
from tests.conftest import ROOT

COUNT = 400


def test_the_command_measures_all_ways(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["python -m benchmarks.near_duplicates "])
    main(["--faces", str(COUNT)])
    shown = capsys.readouterr().out
    for way in WAYS:
        assert re.search(rf"│ {COUNT} +│ {way} +│ \d+\.\d +│ [\d,]+ +│ \d+ +│", shown), shown


def test_planted_pairs_are_found(tmp_path: Path) -> None:
    planted = make_faces(tmp_path / "faces.npy", COUNT)
    images = np.load(tmp_path / "faces.npy")
    assert len(planted) == PLANTED
    assert search(images) >= planted
    assert check(images) == cross_split(search(images), COUNT) > 0


def test_a_missed_pair_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(module: str, *arguments: str) -> dict:
        return {"s": 1.0, "MB": 1.0, "found": [] if "search" in arguments[1] else 0}

    monkeypatch.setattr(near_duplicates, "measured_apart", measured)
    with pytest.raises(AssertionError, match="missed the planted pairs"):
        near_duplicates.measure(COUNT)


def test_too_few_faces_are_refused() -> None:
    with pytest.raises(SystemExit, match="at least 120 faces"):
        main(["--faces", "10"])
