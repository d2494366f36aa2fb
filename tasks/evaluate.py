"""Judges a trained network on test faces it never saw, against its baselines."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix

from faces.baselines import majority_class, mean_face, pixel_logistic
from faces.figures import confusion_figure, error_curve_figure, faces_figure
from faces.labels import KEYPOINTS
from faces.metrics import emotion_metrics, face_nme, keypoint_metrics
from params import EvaluateEmotion, EvaluateKeypoints
from tasks.files import replacing, sha256
from tasks.models import load_network
from tasks.orchestration import leave_picture, leave_table, log, task
from tasks.prepared import Part, load_part

PREDICT_BATCH = 256


@task
def predict_test(head: str, model: Path, prepared: Path, out: Path) -> Path:
    """Write the network's predictions for the test part, `.npz`: `predicted`, in the order of the part's rows."""
    test = load_part(prepared / "test.npz")
    log(f"{head}: predicting {len(test)} test faces")
    predicted = load_network(model).predict(test.images, batch_size=PREDICT_BATCH, verbose=0)
    with replacing(out) as temporary:
        np.savez(temporary, allow_pickle=False, predicted=predicted, rows=test.rows)
    return out


@task
def judge_keypoints(prepared: Path, predictions: Path, model: Path, metrics: Path) -> Path:
    """Write NME, RMSE in pixels and failure rate beside the mean face's, flat keys, and leave them as a table."""
    test, predicted = load_part(prepared / "test.npz"), _predicted(predictions)
    mean = np.broadcast_to(mean_face(load_part(prepared / "train.npz").targets), test.targets.shape)
    ours, baseline = keypoint_metrics(test.targets, predicted), keypoint_metrics(test.targets, mean)
    _write_metrics(metrics, ours, {f"baseline_{name}": value for name, value in baseline.items()}, test, model)
    rows = [{"metric": name, "network": ours[name], "mean face": baseline[name]} for name in ours]
    leave_table("metrics-keypoints", rows, f"keypoints: {_which(test)}")
    errors = np.linalg.norm(predicted - test.targets, axis=2)
    points = [{"point": name, "mean error in px": float(np.nanmean(errors[:, k]))} for k, name in enumerate(KEYPOINTS)]
    leave_table("points-keypoints", points, f"keypoints: error of each point{test.caution}")
    return metrics


@task
def judge_emotion(prepared: Path, predictions: Path, model: Path, settings: EvaluateEmotion, metrics: Path) -> Path:
    """Write accuracy, macro-F1 and more beside the baselines' accuracy, flat keys, and leave them as tables."""
    train, validation, test = (load_part(prepared / f"{part}.npz") for part in ("train", "validation", "test"))
    probabilities = _predicted(predictions)
    ours = emotion_metrics(test.targets, probabilities)
    log("emotion: fitting the baseline, a logistic regression on the pixels")
    # A random few: tables are often sorted by class.
    few = train[np.random.default_rng(0).permutation(len(train))[: settings.pixel_baseline_rows]]
    linear = pixel_logistic((few.images, few.targets), (validation.images, validation.targets), test.images)
    majority = np.eye(len(test.classes))[np.full(len(test), majority_class(train.targets))]
    baseline = {
        "baseline_accuracy": float((majority.argmax(axis=1) == test.targets).mean()),
        "baseline_macro_f1": emotion_metrics(test.targets, majority)["macro_f1"],
        "baseline_pixel_logistic_accuracy": float((linear == test.targets).mean()),
    }
    _write_metrics(metrics, ours, baseline, test, model)
    rows = [{"metric": name, "value": value} for name, value in {**ours, **baseline}.items()]
    leave_table("metrics-emotion", rows, f"emotion: {_which(test)}")
    labels = range(len(test.classes))
    report = classification_report(
        test.targets, probabilities.argmax(axis=1), labels=labels, output_dict=True, zero_division=0
    )
    classes = [{"class": str(name), **report[str(k)]} for k, name in enumerate(test.classes)]
    leave_table("classes-emotion", classes, f"emotion: each class{test.caution}")
    return metrics


@task
def draw_keypoints(prepared: Path, predictions: Path, settings: EvaluateKeypoints, folder: Path) -> None:
    """Write and leave the error curve and the worst faces."""
    test, predicted = load_part(prepared / "test.npz"), _predicted(predictions)
    mean = np.broadcast_to(mean_face(load_part(prepared / "train.npz").targets), test.targets.shape)
    each, of_mean = face_nme(test.targets, predicted), face_nme(test.targets, mean)
    judged = np.isfinite(each)
    curve = error_curve_figure(each[judged], of_mean[judged], f"Test faces within an error{test.caution}")
    _keep(curve, folder / "errors.png", "errors-keypoints", f"keypoints: share of faces within an error{test.caution}")
    worst = np.argsort(np.where(judged, -each, np.inf))[: settings.faces_drawn]
    captions = [f"row {test.rows[k]} · NME {each[k]:.1%}" for k in worst]
    title = f"Worst test faces: truth ringed, prediction dotted{test.caution}"
    grid = faces_figure(test.images[worst], captions, title, predicted[worst], test.targets[worst])
    _keep(grid, folder / "worst.png", "worst-keypoints", f"keypoints: worst test faces{test.caution}")


@task
def draw_emotion(prepared: Path, predictions: Path, settings: EvaluateEmotion, folder: Path, table: Path) -> None:
    """Write and leave the confusion matrix and the faces most surely mistaken; `table` feeds DVC's own plot."""
    test, probabilities = load_part(prepared / "test.npz"), _predicted(predictions)
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(test.targets, predicted, labels=range(len(test.classes)))
    figure = confusion_figure(counts, test.classes.tolist(), f"Emotion on {len(test)} test faces{test.caution}")
    _keep(figure, folder / "confusion.png", "confusion-emotion", f"emotion: confusion matrix{test.caution}")
    pairs = pd.DataFrame({"truth": test.classes[test.targets], "predicted": test.classes[predicted]})
    with replacing(table) as temporary:
        pairs.to_csv(temporary, index=False)
    sureness = probabilities[np.arange(len(test)), test.targets]
    worst = np.argsort(sureness)[: settings.faces_drawn]
    captions = [
        f"row {test.rows[k]} · {test.classes[test.targets[k]]}\nsaid {test.classes[predicted[k]]}" for k in worst
    ]
    colours = ["black" if predicted[k] == test.targets[k] else "#b71c1c" for k in worst]
    grid = faces_figure(
        test.images[worst], captions, f"Test faces furthest from their label{test.caution}", colours=colours
    )
    _keep(grid, folder / "worst.png", "worst-emotion", f"emotion: worst test faces{test.caution}")


def _which(test: Part) -> str:
    return f"{len(test)} test faces" + (test.caution or " never seen")


def _predicted(predictions: Path) -> np.ndarray:
    with np.load(predictions, allow_pickle=False) as arrays:
        return arrays["predicted"]


def _write_metrics(path: Path, ours: dict, baseline: dict, test: Part, model: Path) -> None:
    split: dict[str, object] = {"protocol": str(test.protocol), "leaking": test.leaks, "test_rows": len(test)}
    if test.is_emotion:
        split["classes"] = ", ".join(test.classes.tolist())
    content = {**ours, **baseline, **split, "model_sha256": sha256(model)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _keep(figure, path: Path, key: str, description: str) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    leave_picture(key, path, description)
