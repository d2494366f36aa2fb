"""The released networks are whole, are those that were judged, and come without a picture of a face."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.release import LARGEST_BYTES
from benchmarks.release_page import CHARTS, HEADS
from faces.labels import KEYPOINTS, LABEL_SETS
from faces.pixels import SIZES
from tasks.judged import judged_networks, predictors
from tasks.model_card import METRICS, estimated
from tests.conftest import ROOT, tracked_files
from tests.tiny import noise

RELEASED = Path("models/released")
VERDICT = json.loads((ROOT / RELEASED / "verdict.json").read_text())
PAGE = (ROOT / RELEASED / "README.md").read_text()


def test_they_are_in_git_and_not_too_large() -> None:
    tracked = {path.as_posix() for path in tracked_files()}
    files = [RELEASED / f"{head}.keras" for head in HEADS]
    assert {*map(str, files), str(RELEASED / "verdict.json"), str(RELEASED / "README.md")} <= tracked
    assert sum((ROOT / path).stat().st_size for path in files) <= LARGEST_BYTES


def test_they_load_safely_as_judged_and_say_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    judged = judged_networks(RELEASED / "verdict.json")
    assert judged.classes == list(LABEL_SETS["course"])
    assert judged.reference is not None
    tested = json.loads((ROOT / "docs/released/emotion.json").read_text())["test_rows"]
    assert sum(judged.reference.emotions.values()) == tested
    predict = predictors(judged)
    points = predict["keypoints"](noise(3, SIZES["keypoints"]))
    probabilities = predict["emotion"](noise(3, SIZES["emotion"]))
    assert points.shape == (3, len(KEYPOINTS), 2)
    assert 0 <= points.min() <= points.max() <= SIZES["keypoints"] - 1
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_the_page_names_their_bytes_and_what_was_measured(head: str) -> None:
    assert VERDICT["models"][head]["sha256"] in PAGE
    figures = json.loads((ROOT / "docs/released" / f"{head}.json").read_text())
    for name, title in METRICS[head].items():
        assert f"| {title} | {estimated(figures, name)} |" in PAGE
    assert not figures["leaking"]


def test_charts_without_faces_are_all_that_is_shown() -> None:
    shown = {f"{head}-{chart}.png" for head in HEADS for chart in CHARTS[head]}
    assert {path.name for path in (ROOT / "docs/released").glob("*.png")} == shown
    beside = {path.name for path in (ROOT / RELEASED).iterdir()}
    assert beside == {"README.md", "verdict.json", *(f"{head}.keras" for head in HEADS)}
