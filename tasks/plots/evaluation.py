"""Draws figures of a model's evaluation on the test split."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from faces.evaluation.baselines import mean_face
from faces.evaluation.metrics import expected_calibration_error, face_nme
from faces.evaluation.selective import aurc, risk_coverage
from faces.models.calibration import Reliability, reliability
from faces.plots.evaluation import (
    ced_curve_figure,
    confusion_figure,
    per_keypoint_error_figure,
    reliability_figure,
    risk_coverage_figure,
)
from faces.plots.face_grid import faces_figure
from params import ReportModel
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import replacing
from tasks.evaluation.predictions import load_predictions, save_figure
from tasks.orchestration.decorators import task

WRONG = "#b71c1c"


@task
def draw_keypoints(prepared: Path, predictions: Path, settings: ReportModel, folder: Path) -> None:
    """Write and log the CED curve, the error of each keypoint, a random sample and the worst errors."""
    test, predicted = load_dataset(prepared / "test.npz"), load_predictions(predictions).predicted
    mean = np.broadcast_to(mean_face(load_dataset(prepared / "train.npz").targets), test.targets.shape)
    errors, baseline = face_nme(test.targets, predicted), face_nme(test.targets, mean)
    known, warning = np.isfinite(errors), test.leakage_warning
    curve = ced_curve_figure(errors[known], baseline[known], f"Cumulative error distribution{warning}")
    _save_plot("keypoints", "ced_curve", curve, folder, f"cumulative error distribution{warning}")
    points = pd.read_csv(folder / "per_keypoint_error.csv")
    ends = points[["value", "low", "high"]].to_numpy().T
    bars = per_keypoint_error_figure(points["point"].tolist(), ends, f"Error of each keypoint{warning}")
    _save_plot("keypoints", "per_keypoint_error", bars, folder, f"error of each keypoint{warning}")
    worst = np.argsort(np.where(known, -errors, np.inf))[: settings.num_examples]
    chosen = {"faces": random_sample(len(test), settings.num_examples), "worst_errors": worst}
    for name, which in chosen.items():
        captions = [f"row {test.rows[k]} · " + (f"NME {errors[k]:.1%}" if known[k] else "no NME") for k in which]
        sample = "Random sample of test faces" if name == "faces" else "Test faces with the largest NME"
        title = f"{sample}: true points ringed, predicted points filled{warning}"
        grid = faces_figure(test.images[which], captions, title, predicted[which], test.targets[which])
        _save_plot("keypoints", name, grid, folder, f"{sample[0].lower()}{sample[1:]}{warning}")


@task
def draw_emotion(prepared: Path, predictions: Path, settings: ReportModel, folder: Path) -> None:
    """Write and log confusion matrix, reliability diagram, risk-coverage curve, a random sample and the worst errors.

    `confusion.csv`, `reliability.csv` and `risk_coverage.csv` are the data of `dvc plots`.
    """
    test, loaded = load_dataset(prepared / "test.npz"), load_predictions(predictions)
    probabilities = loaded.predicted
    _draw_confusion(test, probabilities.argmax(axis=1), folder)
    _draw_reliability(test, loaded.uncalibrated, probabilities, folder)
    _draw_risk(test, probabilities, folder)
    of_label = probabilities[np.arange(len(test)), test.targets]
    grids = {
        "faces": random_sample(len(test), settings.num_examples),
        "worst_errors": np.argsort(of_label)[: settings.num_examples],
    }
    for name, which in grids.items():
        random = name == "faces"
        sample = "Random sample of test faces" if random else "Test faces with the lowest probability of their label"
        grid = _emotion_grid(test[which], probabilities[which], f"{sample}{test.leakage_warning}")
        _save_plot("emotion", name, grid, folder, f"{sample[0].lower()}{sample[1:]}{test.leakage_warning}")


def random_sample(population: int, size: int) -> np.ndarray:
    """Returns sorted indices of a random sample; the same for the same numbers."""
    return np.sort(np.random.default_rng(0).permutation(population)[:size])


def _draw_confusion(test: FaceDataset, predicted: np.ndarray, folder: Path) -> None:
    counts = confusion_matrix(test.targets, predicted, labels=range(len(test.classes)))
    figure = confusion_figure(
        counts, test.classes.tolist(), f"Confusion matrix, {len(test)} test faces{test.leakage_warning}"
    )
    _save_plot("emotion", "confusion", figure, folder, f"confusion matrix{test.leakage_warning}")
    _write_csv({"truth": test.classes[test.targets], "predicted": test.classes[predicted]}, folder / "confusion.csv")


def _draw_reliability(test: FaceDataset, uncalibrated: np.ndarray, calibrated: np.ndarray, folder: Path) -> None:
    both = {"before": uncalibrated, "after": calibrated}
    bins = {when: reliability(test.targets, each) for when, each in both.items()}
    eces = [expected_calibration_error(test.targets, each) for each in both.values()]
    title = f"Reliability diagram, {len(test)} test faces{test.leakage_warning}"
    figure = reliability_figure(bins["before"], bins["after"], (eces[0], eces[1]), title)
    _save_plot("emotion", "reliability", figure, folder, f"reliability diagram{test.leakage_warning}")
    columns = {f"{name}_{when}": getattr(bins[when], name) for when in both for name in Reliability._fields}
    _write_csv({"bin": np.arange(1, len(bins["after"].faces) + 1), **columns}, folder / "reliability.csv")


def _draw_risk(test: FaceDataset, probabilities: np.ndarray, folder: Path) -> None:
    coverage, risk = risk_coverage(test.targets, probabilities)
    title = f"Risk-coverage curve, {len(test)} test faces{test.leakage_warning}"
    figure = risk_coverage_figure(coverage, risk, aurc(test.targets, probabilities), title)
    _save_plot("emotion", "risk_coverage", figure, folder, f"risk-coverage curve{test.leakage_warning}")
    _write_csv({"coverage": coverage, "risk": risk}, folder / "risk_coverage.csv")


def _emotion_grid(dataset: FaceDataset, probabilities: np.ndarray, title: str):
    predicted = probabilities.argmax(axis=1)
    correct = predicted == dataset.targets
    captions = [
        f"row {dataset.rows[k]} · {dataset.classes[dataset.targets[k]]}\n"
        f"{'' if correct[k] else '✗ '}predicted {dataset.classes[predicted[k]]}, {probabilities[k].max():.0%}"
        for k in range(len(dataset))
    ]
    return faces_figure(dataset.images, captions, title, colours=["black" if right else WRONG for right in correct])


def _save_plot(model_name: str, name: str, figure, folder: Path, description: str) -> None:
    save_figure(
        figure, folder / f"{name}.png", f"{name.replace('_', '-')}-{model_name}", f"{model_name}: {description}"
    )


def _write_csv(columns: dict, path: Path) -> None:
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, float_format="%.6g")
