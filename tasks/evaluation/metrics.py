"""Judges a trained network on test faces it never saw, against its baselines: the metrics file and its tables."""

import json
from pathlib import Path

import numpy as np

from faces.common.schema import KEYPOINTS
from faces.evaluation.baselines import majority_class, mean_face, pixel_logistic
from faces.evaluation.bootstrap import estimates
from faces.evaluation.metrics import emotion_metrics
from faces.evaluation.weighted_metrics import class_measure, point_measure
from params import Duplicates, EvaluateEmotion
from tasks.common.dataset import Part, load_part
from tasks.common.files import replacing, sha256
from tasks.evaluation.ablations import duplicate_figures, flip_figures, table_of
from tasks.evaluation.predictions import Evaluated, flat, keep_table, load_evaluated, measured
from tasks.orchestration.api import leave_table, log, task


@task
def judge_keypoints(
    prepared: Path, predictions: Path, model: Path, duplicates: Duplicates, metrics: Path, folder: Path
) -> Path:
    """Write NME, RMSE in pixels, failure rate and more beside the mean face's, flat keys; tables go to `folder`."""
    train, test = (load_part(prepared / f"{part}.npz") for part in ("train", "test"))
    evaluated = load_evaluated(predictions)
    ours = measured(test, evaluated.predicted)
    baseline = measured(test, np.broadcast_to(mean_face(train.targets), test.targets.shape))
    figures = flat(ours) | flat(baseline, "baseline_")
    figures |= duplicate_figures("keypoints", train, test, evaluated.predicted, duplicates, folder)
    figures |= flip_figures("keypoints", test, evaluated, folder)
    _write_metrics(metrics, figures, test, evaluated, model)
    mean = {"mean face": {name: float(one.value) for name, one in baseline.items()}}
    leave_table("metrics-keypoints", table_of(ours, **mean), f"keypoints: {_which(test, evaluated)}")
    errors = estimates(point_measure(test.targets, evaluated.predicted), test.groups)["error_px"]
    labelled = np.isfinite(test.targets).all(axis=2).sum(axis=0)
    points = [
        {"point": name, "faces": int(labelled[k]), **{end: float(getattr(errors, end)[k]) for end in errors._fields}}
        for k, name in enumerate(KEYPOINTS)
    ]
    keep_table(points, folder / "points.csv", "points-keypoints", f"keypoints: error of each point, px{test.caution}")
    return metrics


@task
def judge_emotion(
    prepared: Path,
    predictions: Path,
    model: Path,
    settings: EvaluateEmotion,
    duplicates: Duplicates,
    metrics: Path,
    folder: Path,
) -> Path:
    """Write accuracy, macro-F1 and more beside the baselines' accuracy, flat keys; tables go to `folder`."""
    train, validation, test = (load_part(prepared / f"{part}.npz") for part in ("train", "validation", "test"))
    evaluated = load_evaluated(predictions)
    ours = measured(test, evaluated.predicted)
    before = measured(test, evaluated.untempered)
    figures = flat(ours) | flat({name: before[name] for name in ("log_loss", "ece")}, "uncalibrated_")
    baseline = _baselines(train.answered(), validation.answered(), test, settings.pixel_baseline_rows)
    figures |= {"temperature": float(evaluated.temperature), **baseline}
    figures |= duplicate_figures("emotion", train, test, evaluated.predicted, duplicates, folder)
    figures |= flip_figures("emotion", test, evaluated, folder)
    _write_metrics(metrics, figures, test, evaluated, model)
    rows = [*table_of(ours), *({"metric": name, "value": value} for name, value in baseline.items())]
    leave_table("metrics-emotion", rows, f"emotion: {_which(test, evaluated)}")
    _keep_classes(test, evaluated.predicted, folder)
    return metrics


def _baselines(train: Part, validation: Part, test: Part, pixel_rows: int) -> dict[str, float]:
    log("emotion: fitting the baseline, a logistic regression on the pixels")
    # A random few: tables are often sorted by class.
    few = train[np.random.default_rng(0).permutation(len(train))[:pixel_rows]]
    linear = pixel_logistic((few.images, few.targets), (validation.images, validation.targets), test.images)
    majority = np.eye(len(test.classes))[np.full(len(test), majority_class(train.targets))]
    found = emotion_metrics(test.targets, majority)
    return {
        "baseline_accuracy": found["accuracy"],
        "baseline_macro_f1": found["macro_f1"],
        "baseline_pixel_logistic_accuracy": float((linear == test.targets).mean()),
    }


def _keep_classes(test: Part, predicted: np.ndarray, folder: Path) -> None:
    found = flat_columns(estimates(class_measure(test.targets, predicted), test.groups))
    counts = np.bincount(test.targets, minlength=len(test.classes))
    rows = [
        {"class": str(name), "faces": int(counts[k]), **{column: float(values[k]) for column, values in found.items()}}
        for k, name in enumerate(test.classes)
    ]
    keep_table(rows, folder / "classes.csv", "classes-emotion", f"emotion: each class{test.caution}")


def flat_columns(found: dict) -> dict[str, np.ndarray]:
    """`precision`, `precision_low`, `precision_high` and so on, (classes,) each."""
    return {
        f"{name}{end}": values
        for name, one in found.items()
        for end, values in zip(("", "_low", "_high"), one, strict=True)
    }


def _which(test: Part, evaluated: Evaluated) -> str:
    how = "flip-averaged" if evaluated.flip_averaging else "no flip averaging"
    return f"{len(test)} test faces{test.caution or ' never seen'}; 95% intervals over groups; {how}"


def _write_metrics(path: Path, figures: dict, test: Part, evaluated: Evaluated, model: Path) -> None:
    about: dict[str, object] = {
        "flip_averaging": bool(evaluated.flip_averaging),
        "protocol": str(test.protocol),
        "leaking": test.leaks,
        "test_rows": len(test),
        "test_groups": len(np.unique(test.groups)),
    }
    if test.is_emotion:
        about["classes"] = ", ".join(test.classes.tolist())
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**figures, **about, "model_sha256": sha256(model)}, indent=2) + "\n")
