"""Both released model sets are complete, are those that were evaluated, and contain no image of a face."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.release import LARGEST_BYTES
from benchmarks.release_page import CHARTS, MODELS, SETS
from faces.common.pixel_text import SIZES
from faces.common.schema import KEYPOINTS, LABEL_ENCODINGS
from tasks.models.approved_models import load_approved_models, predict_functions
from tasks.release.model_card import METRICS, format_interval
from tasks.release.model_sets import GATE_RESULTS
from tests.conftest import ROOT, tracked_files
from tests.tiny import noise

FOLDERS = {name: Path("models", name) for name in SETS}


def test_each_is_a_model_set_of_the_score_flow() -> None:
    assert {name: path.parent for name, path in GATE_RESULTS.items() if name != "workspace"} == FOLDERS


def test_files_are_in_git_and_not_too_large() -> None:
    tracked = {path.as_posix() for path in tracked_files()}
    files = [folder / f"{model_name}.keras" for folder in FOLDERS.values() for model_name in MODELS]
    beside = [folder / name for folder in FOLDERS.values() for name in ("gate.json", "README.md")]
    assert {*map(str, files), *map(str, beside)} <= tracked
    assert sum((ROOT / path).stat().st_size for path in files) <= LARGEST_BYTES


@pytest.mark.parametrize("name", SETS)
def test_models_load_in_safe_mode_as_evaluated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    approved = load_approved_models(FOLDERS[name] / "gate.json")
    assert approved.classes == list(LABEL_ENCODINGS["course"])
    assert approved.reference is not None
    num_test_samples = json.loads((ROOT / "docs" / name / "emotion.json").read_text())["num_test_samples"]
    assert sum(approved.reference.emotions.values()) == num_test_samples
    predict = predict_functions(approved)
    points = predict["keypoints"](noise(3, SIZES["keypoints"]))
    probabilities = predict["emotion"](noise(3, SIZES["emotion"]))
    assert points.shape == (3, len(KEYPOINTS), 2)
    assert 0 <= points.min() <= points.max() <= SIZES["keypoints"] - 1
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("model_name", MODELS)
def test_page_has_the_hashes_and_the_metrics(name: str, model_name: str) -> None:
    page = (ROOT / FOLDERS[name] / "README.md").read_text()
    gate_result = json.loads((ROOT / FOLDERS[name] / "gate.json").read_text())
    assert gate_result["models"][model_name]["sha256"] in page
    metrics = json.loads((ROOT / "docs" / name / f"{model_name}.json").read_text())
    for metric, title in METRICS[model_name].items():
        assert f"| {title} | {format_interval(metrics, metric)} |" in page
    assert not metrics["is_leaky"]


@pytest.mark.parametrize("name", SETS)
def test_only_charts_without_faces_are_published(name: str) -> None:
    shown = {f"{model_name}-{chart}.png" for model_name in MODELS for chart in CHARTS[model_name]}
    assert {path.name for path in (ROOT / "docs" / name).glob("*.png")} == shown
    beside = {path.name for path in (ROOT / FOLDERS[name]).iterdir()}
    assert beside == {"README.md", "gate.json", *(f"{model_name}.keras" for model_name in MODELS)}
