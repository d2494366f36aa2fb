"""The stage `report` draws every figure of a model from the files of earlier stages, also where the gate fails."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import faces.plots.quality_gate
import params
import tasks.evaluation.robustness
import tasks.plots.evaluation
import tasks.plots.figure_files
import tasks.plots.quality_gate
from faces.release.quality_gate import Check
from flows.stages.report import report
from tasks.common.dataset import save_dataset
from tasks.evaluation.curves import write_curves
from tasks.evaluation.metrics import evaluate_emotion, evaluate_keypoints
from tasks.evaluation.robustness import measure_robustness
from tasks.evaluation.slices import evaluate_slices
from tests.conftest import copy_settings, set_params
from tests.evaluation.test_evaluate import ALIKE, COUNT, EMOTION, MODELS, SETTINGS, Same, dataset, written
from tests.pictures import emotion_table, keypoint_table, write_table

FIGURES = {
    *("near_duplicates", "offline_augmentation", "augmented_batch", "learning_curve"),
    *("faces", "worst_errors", "slices", "robustness", "corruptions", "gate"),
}
OWN_FIGURES = {
    "keypoints": {"ced_curve", "per_keypoint_error"},
    "emotion": {"confusion", "reliability", "risk_coverage"},
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with settings, in which the emotion's metrics are below their thresholds."""
    monkeypatch.chdir(tmp_path)
    copy_settings(tmp_path)
    set_params(tmp_path, report__keypoints__num_examples=3, report__emotion__num_examples=5)


def write_inputs(model_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what the stages `validate` to `evaluate` write: the first two rows are near-duplicates."""
    prepared = written(Path("data/prepared") / model_name, model_name)
    copies = dataset(model_name, 0, "group")
    save_dataset(prepared / "augmented.npz", copies)
    is_emotion = model_name == "emotion"
    table = emotion_table(copies.images, ["sad"] * COUNT) if is_emotion else keypoint_table(copies.images)
    write_table(Path(), model_name, table)
    first, second = table["row"][:2]
    pair = {"first": [first], "second": [second], "distance": [1], "correlation": [0.95], "mirrored": [True]}
    pd.DataFrame(pair).to_csv(prepared / "near_duplicate_pairs.csv", index=False)
    curve = Path(f"reports/train/{model_name}.csv")
    curve.parent.mkdir(parents=True)
    pd.DataFrame({"member": 1, "epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [2.0, 1.5]}).to_csv(curve, index=False)
    predictions, tables = Path(f"data/predictions/{model_name}.npz"), Path(f"reports/evaluate/{model_name}")
    predictions.parent.mkdir()
    (prepared / "predictions.npz").rename(predictions)
    metrics, model_path = Path(f"reports/metrics/{model_name}.json"), prepared / "model"
    if is_emotion:
        evaluate_emotion(prepared, predictions, model_path, EMOTION, ALIKE, metrics, tables)
        write_curves(prepared, predictions, tables)
    else:
        evaluate_keypoints(prepared, predictions, model_path, ALIKE, metrics, tables)
    evaluate_slices(model_name, prepared, predictions, tables)
    monkeypatch.setattr(tasks.evaluation.robustness, "predictor", lambda path, size: Same(model_name).predict)
    measure_robustness(model_name, prepared, predictions, model_path, SETTINGS[model_name], tables)
    model_path.unlink()


@pytest.mark.parametrize("model_name", MODELS)
def test_every_figure_is_drawn_from_files_and_nothing_else_is_written(
    model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_inputs(model_name, monkeypatch)
    before = {path for path in Path().rglob("*") if path.is_file()}
    logged: list[str] = []
    monkeypatch.setattr(tasks.plots.figure_files, "log_figure", lambda key, path, description: logged.append(key))
    checks: list[Check] = []

    def gate_figure(found: list[Check]) -> Figure:
        checks.extend(found)
        return faces.plots.quality_gate.gate_figure(found)

    monkeypatch.setattr(tasks.plots.quality_gate, "gate_figure", gate_figure)
    report(params.load(), model_name)  # type: ignore[arg-type]
    folder = Path("reports/figures") / model_name
    figures = {path for path in Path().rglob("*") if path.is_file()} - before
    assert figures == {folder / f"{name}.png" for name in FIGURES | OWN_FIGURES[model_name]}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert len(set(logged)) == len(figures)
    assert all(key.endswith(f"-{model_name}") for key in logged)
    assert {check.model for check in checks} == {model_name}
    assert "failed" in {check.outcome for check in checks}


@pytest.mark.parametrize("model_name", MODELS)
def test_figures_of_the_curves_show_the_predictions(model_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables between `evaluate` and `report` lose nothing that is drawn."""
    write_inputs(model_name, monkeypatch)
    shown: dict[str, Any] = {}
    for name in ("confusion_figure", "risk_coverage_figure", "per_keypoint_error_figure"):
        whole = getattr(tasks.plots.evaluation, name)
        monkeypatch.setattr(
            tasks.plots.evaluation,
            name,
            lambda *drawn, whole=whole, name=name: shown.update({name: drawn}) or whole(*drawn),
        )
    report(params.load(), model_name)  # type: ignore[arg-type]
    test = dataset(model_name, 2, "group")
    with np.load(f"data/predictions/{model_name}.npz") as arrays:
        predicted = arrays["no_tta"]
    if model_name == "emotion":
        counts = np.zeros((3, 3), int)
        np.add.at(counts, (test.targets, predicted.argmax(axis=1)), 1)
        np.testing.assert_array_equal(shown["confusion_figure"][0], counts)
        assert shown["risk_coverage_figure"][1][-1] == pytest.approx(1 - np.trace(counts) / COUNT, rel=1e-5)
    else:
        errors = np.nanmean(np.linalg.norm(predicted - test.targets, axis=2), axis=0)
        np.testing.assert_allclose(shown["per_keypoint_error_figure"][1][0], errors, rtol=1e-5)
