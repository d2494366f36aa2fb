"""Draws a model's evaluation on the test split."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from faces.evaluation.baselines import mean_face
from faces.evaluation.metrics import face_nme
from faces.evaluation.selective import risk_coverage
from faces.models.calibration import Reliability
from faces.plots.evaluation import (
    ced_curve_figure,
    confusion_figure,
    per_keypoint_error_figure,
    reliability_figure,
    risk_coverage_figure,
)
from faces.plots.face_grid import faces_figure
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.evaluation.predictions import load_predictions
from tasks.orchestration.decorators import task
from tasks.plots.figure_files import save_figure

WRONG = "#b71c1c"


@task
def draw_keypoints(prepared: Path, predictions: Path, tables: Path, num_examples: int, folder: Path) -> None:
    """Write and log the CED curve, the error of each keypoint, a random sample and the worst errors.

    `tables` is the folder of the evaluation's tables.
    """
    test, predicted = load_dataset(prepared / "test.npz"), load_predictions(predictions).predicted
    mean = np.broadcast_to(mean_face(load_dataset(prepared / "train.npz").targets), test.targets.shape)
    errors, baseline = face_nme(test.targets, predicted), face_nme(test.targets, mean)
    known, warning = np.isfinite(errors), test.leakage_warning
    curve = ced_curve_figure(errors[known], baseline[known], f"Cumulative error distribution{warning}")
    _save("keypoints", "ced_curve", curve, folder, f"cumulative error distribution{warning}")
    points = pd.read_csv(tables / "per_keypoint_error.csv")
    ends = points[["value", "low", "high"]].to_numpy().T
    bars = per_keypoint_error_figure(points["point"].tolist(), ends, f"Error of each keypoint{warning}")
    _save("keypoints", "per_keypoint_error", bars, folder, f"error of each keypoint{warning}")
    worst = np.argsort(np.where(known, -errors, np.inf))[:num_examples]
    chosen = {"faces": random_sample(len(test), num_examples), "worst_errors": worst}
    for name, which in chosen.items():
        captions = [f"row {test.rows[k]} · " + (f"NME {errors[k]:.1%}" if known[k] else "no NME") for k in which]
        sample = "Random sample of test faces" if name == "faces" else "Test faces with the largest NME"
        title = f"{sample}: true points ringed, predicted points filled{warning}"
        grid = faces_figure(test.images[which], captions, title, predicted[which], test.targets[which])
        _save("keypoints", name, grid, folder, f"{sample[0].lower()}{sample[1:]}{warning}")


@task
def draw_emotion(
    prepared: Path, predictions: Path, tables: Path, metrics: Path, num_examples: int, folder: Path
) -> None:
    """Write and log confusion matrix, reliability diagram, risk-coverage curve, a random sample and the worst errors.

    `tables` is the folder of the evaluation's tables, `metrics` its metrics file.
    """
    test, probabilities = load_dataset(prepared / "test.npz"), load_predictions(predictions).predicted
    results = json.loads(metrics.read_text())
    _draw_confusion(test, tables / "confusion.csv", folder)
    _draw_reliability(test, tables / "reliability.csv", (results["uncalibrated_ece"], results["ece"]), folder)
    _draw_risk(test, probabilities, results["aurc"], folder)
    of_label = probabilities[np.arange(len(test)), test.targets]
    grids = {"faces": random_sample(len(test), num_examples), "worst_errors": np.argsort(of_label)[:num_examples]}
    for name, which in grids.items():
        random = name == "faces"
        sample = "Random sample of test faces" if random else "Test faces with the lowest probability of their label"
        grid = _emotion_grid(test[which], probabilities[which], f"{sample}{test.leakage_warning}")
        _save("emotion", name, grid, folder, f"{sample[0].lower()}{sample[1:]}{test.leakage_warning}")


def random_sample(population: int, size: int) -> np.ndarray:
    """Returns sorted indices of a random sample; the same for the same numbers."""
    return np.sort(np.random.default_rng(0).permutation(population)[:size])


def _draw_confusion(test: FaceDataset, table: Path, folder: Path) -> None:
    rows, classes = pd.read_csv(table), test.classes.tolist()
    counts = confusion_matrix(rows["truth"], rows["predicted"], labels=classes)
    figure = confusion_figure(counts, classes, f"Confusion matrix, {len(test)} test faces{test.leakage_warning}")
    _save("emotion", "confusion", figure, folder, f"confusion matrix{test.leakage_warning}")


def _draw_reliability(test: FaceDataset, table: Path, eces: tuple[float, float], folder: Path) -> None:
    columns = pd.read_csv(table)
    before, after = (
        Reliability(**{name: columns[f"{name}_{when}"].to_numpy() for name in Reliability._fields})
        for when in ("before", "after")
    )
    title = f"Reliability diagram, {len(test)} test faces{test.leakage_warning}"
    figure = reliability_figure(before, after, eces, title)
    _save("emotion", "reliability", figure, folder, f"reliability diagram{test.leakage_warning}")


def _draw_risk(test: FaceDataset, probabilities: np.ndarray, area: float, folder: Path) -> None:
    coverage, risk = risk_coverage(test.targets, probabilities)
    title = f"Risk-coverage curve, {len(test)} test faces{test.leakage_warning}"
    figure = risk_coverage_figure(coverage, risk, area, title)
    _save("emotion", "risk_coverage", figure, folder, f"risk-coverage curve{test.leakage_warning}")


def _emotion_grid(dataset: FaceDataset, probabilities: np.ndarray, title: str) -> Figure:
    predicted = probabilities.argmax(axis=1)
    correct = predicted == dataset.targets
    captions = [
        f"row {dataset.rows[k]} · {dataset.classes[dataset.targets[k]]}\n"
        f"{'' if correct[k] else '✗ '}predicted {dataset.classes[predicted[k]]}, {probabilities[k].max():.0%}"
        for k in range(len(dataset))
    ]
    return faces_figure(dataset.images, captions, title, colours=["black" if right else WRONG for right in correct])


def _save(model_name: str, name: str, figure: Figure, folder: Path, description: str) -> None:
    path, key = folder / f"{name}.png", f"{name.replace('_', '-')}-{model_name}"
    save_figure(figure, path, key, f"{model_name}: {description}")
