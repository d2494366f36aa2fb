"""Both sets of released networks are whole, are those that were judged, and come without a picture of a face."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.release import LARGEST_BYTES
from benchmarks.release_page import CHARTS, HEADS, SETS
from faces.common.pixel_text import SIZES
from faces.common.schema import KEYPOINTS, LABEL_SETS
from flows.score import VERDICTS
from tasks.models.approved_models import judged_networks, predictors
from tasks.release.model_card import METRICS, estimated
from tests.conftest import ROOT, tracked_files
from tests.tiny import noise

FOLDERS = {name: Path("models", name) for name in SETS}


def test_each_is_known_to_score_by_its_name() -> None:
    assert {name: path.parent for name, path in VERDICTS.items() if name != "workspace"} == FOLDERS


def test_they_are_in_git_and_not_too_large() -> None:
    tracked = {path.as_posix() for path in tracked_files()}
    files = [folder / f"{head}.keras" for folder in FOLDERS.values() for head in HEADS]
    beside = [folder / name for folder in FOLDERS.values() for name in ("verdict.json", "README.md")]
    assert {*map(str, files), *map(str, beside)} <= tracked
    assert sum((ROOT / path).stat().st_size for path in files) <= LARGEST_BYTES


@pytest.mark.parametrize("name", SETS)
def test_they_load_safely_as_judged_and_say_what_they_are_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    judged = judged_networks(FOLDERS[name] / "verdict.json")
    assert judged.classes == list(LABEL_SETS["course"])
    assert judged.reference is not None
    tested = json.loads((ROOT / "docs" / name / "emotion.json").read_text())["test_rows"]
    assert sum(judged.reference.emotions.values()) == tested
    predict = predictors(judged)
    points = predict["keypoints"](noise(3, SIZES["keypoints"]))
    probabilities = predict["emotion"](noise(3, SIZES["emotion"]))
    assert points.shape == (3, len(KEYPOINTS), 2)
    assert 0 <= points.min() <= points.max() <= SIZES["keypoints"] - 1
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("head", HEADS)
def test_the_page_names_their_bytes_and_what_was_measured(name: str, head: str) -> None:
    page = (ROOT / FOLDERS[name] / "README.md").read_text()
    verdict = json.loads((ROOT / FOLDERS[name] / "verdict.json").read_text())
    assert verdict["models"][head]["sha256"] in page
    figures = json.loads((ROOT / "docs" / name / f"{head}.json").read_text())
    for metric, title in METRICS[head].items():
        assert f"| {title} | {estimated(figures, metric)} |" in page
    assert not figures["leaking"]


@pytest.mark.parametrize("name", SETS)
def test_charts_without_faces_are_all_that_is_shown(name: str) -> None:
    shown = {f"{head}-{chart}.png" for head in HEADS for chart in CHARTS[head]}
    assert {path.name for path in (ROOT / "docs" / name).glob("*.png")} == shown
    beside = {path.name for path in (ROOT / FOLDERS[name]).iterdir()}
    assert beside == {"README.md", "verdict.json", *(f"{head}.keras" for head in HEADS)}
