"""Both released model sets are complete, are those that were evaluated, and contain no image of a face."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from faces.common.pixel_text import SIZES
from faces.common.schema import KEYPOINTS, LABEL_ENCODINGS
from tasks.common.files import sha256
from tasks.models.approved_models import load_approved_models, predict_functions
from tasks.models.exports import PRECISIONS, export_path
from tasks.release.model_card import METRICS, format_interval
from tasks.release.model_sets import GATE_RESULTS, PUBLISHED
from tasks.release.publishing import ENDS, LARGEST_BYTES, PROVENANCE, SETTINGS
from tasks.release.release_page import CHARTS
from tests.conftest import ROOT, tracked_files
from tests.tiny import MODELS, noise

FOLDERS = {name: Path("models", name) for name in PUBLISHED}


def is_generated(name: str) -> bool:
    """Whether `faces release` wrote the set; sets of earlier versions have metrics and charts in docs/."""
    return (ROOT / FOLDERS[name] / PROVENANCE).is_file()


def metrics_of(name: str, model_name: str) -> dict:
    folder = ROOT / FOLDERS[name] / "metrics" if is_generated(name) else ROOT / "docs" / name
    return json.loads((folder / f"{model_name}.json").read_text())


def test_each_is_a_model_set_of_the_score_flow() -> None:
    assert {name: path.parent for name, path in GATE_RESULTS.items() if name != "workspace"} == FOLDERS


def test_files_are_in_git_and_not_too_large() -> None:
    tracked = {path.as_posix() for path in tracked_files()}
    for folder in FOLDERS.values():
        files = [folder / f"{model_name}.{end}" for model_name in MODELS for end in ENDS]
        assert {*map(str, files), f"{folder}/gate.json", f"{folder}/README.md"} <= tracked
        assert sum((ROOT / path).stat().st_size for path in files) <= LARGEST_BYTES


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_file_is_the_one_that_the_gate_result_names(name: str) -> None:
    for model in json.loads((ROOT / FOLDERS[name] / "gate.json").read_text())["models"].values():
        path = ROOT / model["path"]
        assert sha256(path) == model["sha256"]
        assert {each: sha256(export_path(path, each)) for each in PRECISIONS} == model["exports"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_models_open_with_keras_alone(name: str, tmp_path: Path) -> None:
    """In a process that does not find this project, in safe mode."""
    code = (
        "import sys, keras, numpy as np; model = keras.saving.load_model(sys.argv[1], compile=False, safe_mode=True); "
        "print(model.predict(np.zeros((2, *model.input.shape[1:]), np.uint8), verbose=0).shape)"
    )
    for model_name, shape in (("keypoints", "(2, 15, 2)"), ("emotion", "(2, 5)")):
        command = [sys.executable, "-c", code, str(ROOT / FOLDERS[name] / f"{model_name}.keras")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == shape


@pytest.mark.parametrize("name", PUBLISHED)
def test_exports_predict_as_evaluated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    approved = load_approved_models(FOLDERS[name] / "gate.json")
    assert approved.classes == list(LABEL_ENCODINGS["course"])
    assert approved.reference is not None
    num_test_samples = metrics_of(name, "emotion")["num_test_samples"]
    assert sum(approved.reference.emotions.values()) == num_test_samples
    predict = predict_functions(approved)
    points = predict["keypoints"](noise(3, SIZES["keypoints"]))
    probabilities = predict["emotion"](noise(3, SIZES["emotion"]))
    assert points.shape == (3, len(KEYPOINTS), 2)
    assert 0 <= points.min() <= points.max() <= SIZES["keypoints"] - 1
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("model_name", MODELS)
def test_page_has_the_hashes_and_the_metrics(name: str, model_name: str) -> None:
    page = (ROOT / FOLDERS[name] / "README.md").read_text()
    gate_result = json.loads((ROOT / FOLDERS[name] / "gate.json").read_text())
    model = gate_result["models"][model_name]
    for sha in (model["sha256"], model.get("exported_from", ""), *model["exports"].values()):
        assert sha in page
    metrics = metrics_of(name, model_name)
    for metric, title in METRICS[model_name].items():
        assert f"| {title} | {format_interval(metrics, metric)} |" in page
    assert not metrics["is_leaky"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_charts_without_faces_are_published(name: str) -> None:
    shown = {f"{model_name}-{chart}.png" for model_name in MODELS for chart in CHARTS[model_name]}
    charts = ROOT / FOLDERS[name] / "charts" if is_generated(name) else ROOT / "docs" / name
    assert {path.name for path in charts.glob("*.png")} == shown
    beside = {path.name for path in (ROOT / FOLDERS[name]).iterdir()}
    expected = {"README.md", "gate.json", *(f"{model_name}.{end}" for model_name in MODELS for end in ENDS)}
    generated = {*SETTINGS, PROVENANCE, "evaluation.md", "charts", "metrics"}
    assert beside == (expected | generated if is_generated(name) else expected)
