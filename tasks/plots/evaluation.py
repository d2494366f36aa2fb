"""Draws how a network did on its test part."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from faces.evaluation.baselines import mean_face
from faces.evaluation.metrics import expected_calibration_error, face_nme
from faces.evaluation.selective import aurc, risk_coverage
from faces.models.calibration import Reliability, reliability
from faces.plots.evaluation import (
    confusion_figure,
    error_curve_figure,
    points_figure,
    reliability_figure,
    risk_coverage_figure,
)
from faces.plots.face_grid import faces_figure
from params import EvaluateEmotion, EvaluateKeypoints
from tasks.common.dataset import Part, load_part
from tasks.common.files import replacing
from tasks.evaluation.predictions import keep_picture, load_evaluated
from tasks.orchestration.api import task

WRONG = "#b71c1c"


@task
def draw_keypoints(prepared: Path, predictions: Path, settings: EvaluateKeypoints, folder: Path) -> None:
    """Write and leave the error curve, each point's error, faces by lot and the worst faces."""
    test, predicted = load_part(prepared / "test.npz"), load_evaluated(predictions).predicted
    mean = np.broadcast_to(mean_face(load_part(prepared / "train.npz").targets), test.targets.shape)
    each, of_mean = face_nme(test.targets, predicted), face_nme(test.targets, mean)
    judged = np.isfinite(each)
    curve = error_curve_figure(each[judged], of_mean[judged], f"Test faces within an error{test.caution}")
    _keep("keypoints", "errors", curve, folder, f"share of faces within an error{test.caution}")
    points = pd.read_csv(folder / "points.csv")
    ends = points[["value", "low", "high"]].to_numpy().T
    bars = points_figure(points["point"].tolist(), ends, f"Error of each point{test.caution}")
    _keep("keypoints", "points", bars, folder, f"error of each point{test.caution}")
    worst = np.argsort(np.where(judged, -each, np.inf))[: settings.faces_drawn]
    chosen = {"faces": by_lot(len(test), settings.faces_drawn), "worst": worst}
    for name, which in chosen.items():
        captions = [f"row {test.rows[k]} · " + (f"NME {each[k]:.1%}" if judged[k] else "no NME") for k in which]
        what = "Test faces by lot" if name == "faces" else "Worst test faces"
        title = f"{what}: truth ringed, prediction dotted{test.caution}"
        grid = faces_figure(test.images[which], captions, title, predicted[which], test.targets[which])
        _keep("keypoints", name, grid, folder, f"{what.lower()}{test.caution}")


@task
def draw_emotion(prepared: Path, predictions: Path, settings: EvaluateEmotion, folder: Path) -> None:
    """Write and leave confusion, reliability, risk over coverage, faces by lot and those most surely mistaken.

    `confusion.csv`, `reliability.csv` and `risk_coverage.csv` feed DVC's own plots.
    """
    test, evaluated = load_part(prepared / "test.npz"), load_evaluated(predictions)
    probabilities = evaluated.predicted
    _draw_confusion(test, probabilities.argmax(axis=1), folder)
    _draw_reliability(test, evaluated.untempered, probabilities, folder)
    _draw_risk(test, probabilities, folder)
    sureness = probabilities[np.arange(len(test)), test.targets]
    grids = {"faces": by_lot(len(test), settings.faces_drawn), "worst": np.argsort(sureness)[: settings.faces_drawn]}
    for name, which in grids.items():
        what = "Test faces by lot" if name == "faces" else "Test faces furthest from their label"
        grid = _emotion_grid(test[which], probabilities[which], f"{what}{test.caution}")
        _keep("emotion", name, grid, folder, f"{what.lower()}{test.caution}")


def by_lot(faces: int, drawn: int) -> np.ndarray:
    """Numbers of the faces to draw, in order; the same for as many faces."""
    return np.sort(np.random.default_rng(0).permutation(faces)[:drawn])


def _draw_confusion(test: Part, predicted: np.ndarray, folder: Path) -> None:
    counts = confusion_matrix(test.targets, predicted, labels=range(len(test.classes)))
    figure = confusion_figure(counts, test.classes.tolist(), f"Emotion on {len(test)} test faces{test.caution}")
    _keep("emotion", "confusion", figure, folder, f"confusion matrix{test.caution}")
    _write_csv({"truth": test.classes[test.targets], "predicted": test.classes[predicted]}, folder / "confusion.csv")


def _draw_reliability(test: Part, before: np.ndarray, after: np.ndarray, folder: Path) -> None:
    both = {"before": before, "after": after}
    found = {when: reliability(test.targets, each) for when, each in both.items()}
    eces = [expected_calibration_error(test.targets, each) for each in both.values()]
    title = f"Confidence against accuracy, {len(test)} test faces{test.caution}"
    figure = reliability_figure(found["before"], found["after"], (eces[0], eces[1]), title)
    _keep("emotion", "reliability", figure, folder, f"confidence against accuracy{test.caution}")
    columns = {f"{name}_{when}": getattr(found[when], name) for when in both for name in Reliability._fields}
    _write_csv({"bin": np.arange(1, len(found["after"].faces) + 1), **columns}, folder / "reliability.csv")


def _draw_risk(test: Part, probabilities: np.ndarray, folder: Path) -> None:
    coverage, risk = risk_coverage(test.targets, probabilities)
    title = f"Answering only the surest test faces{test.caution}"
    figure = risk_coverage_figure(coverage, risk, aurc(test.targets, probabilities), title)
    _keep("emotion", "risk_coverage", figure, folder, f"error rate over the share of faces answered{test.caution}")
    _write_csv({"coverage": coverage, "risk": risk}, folder / "risk_coverage.csv")


def _emotion_grid(faces: Part, probabilities: np.ndarray, title: str):
    predicted = probabilities.argmax(axis=1)
    right = predicted == faces.targets
    captions = [
        f"row {faces.rows[k]} · {faces.classes[faces.targets[k]]}\n"
        f"{'' if right[k] else '✗ '}said {faces.classes[predicted[k]]}, {probabilities[k].max():.0%}"
        for k in range(len(faces))
    ]
    return faces_figure(faces.images, captions, title, colours=["black" if good else WRONG for good in right])


def _keep(head: str, name: str, figure, folder: Path, description: str) -> None:
    keep_picture(figure, folder / f"{name}.png", f"{name.replace('_', '-')}-{head}", f"{head}: {description}")


def _write_csv(columns: dict, path: Path) -> None:
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, float_format="%.6g")
