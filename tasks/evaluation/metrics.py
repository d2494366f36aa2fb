"""Evaluates a trained model and its baselines on the test split: writes the metrics file and tables."""

import json
from pathlib import Path

import numpy as np

from faces.common.schema import KEYPOINTS
from faces.evaluation.baselines import majority_class, mean_face, pixel_logistic
from faces.evaluation.bootstrap import bootstrap_intervals
from faces.evaluation.metrics import emotion_metrics
from faces.evaluation.weighted_metrics import class_measure, point_measure
from params import Duplicates, EvaluateEmotion
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import replacing, sha256
from tasks.evaluation.ablations import duplicate_metrics, flip_tta_metrics, table_of
from tasks.evaluation.predictions import Predictions, flat, load_predictions, metric_intervals, save_table
from tasks.orchestration.artifacts import log, log_table
from tasks.orchestration.decorators import task


@task
def evaluate_keypoints(
    prepared: Path, predictions: Path, model_path: Path, duplicates: Duplicates, metrics: Path, folder: Path
) -> Path:
    """Write NME, RMSE in pixels, failure rate and more, also of the mean face, as flat keys; tables go to `folder`."""
    train, test = (load_dataset(prepared / f"{split}.npz") for split in ("train", "test"))
    loaded = load_predictions(predictions)
    intervals = metric_intervals(test, loaded.predicted)
    baseline = metric_intervals(test, np.broadcast_to(mean_face(train.targets), test.targets.shape))
    results = flat(intervals) | flat(baseline, "baseline_")
    results |= duplicate_metrics("keypoints", train, test, loaded.predicted, duplicates, folder)
    results |= flip_tta_metrics("keypoints", test, loaded, folder)
    _write_metrics(metrics, results, test, loaded, model_path)
    mean = {"mean face": {name: float(one.value) for name, one in baseline.items()}}
    log_table("metrics-keypoints", table_of(intervals, **mean), f"keypoints: {_description(test, loaded)}")
    errors = bootstrap_intervals(point_measure(test.targets, loaded.predicted), test.groups)["error_px"]
    labelled = np.isfinite(test.targets).all(axis=2).sum(axis=0)
    points = [
        {"point": name, "faces": int(labelled[k]), **{end: float(getattr(errors, end)[k]) for end in errors._fields}}
        for k, name in enumerate(KEYPOINTS)
    ]
    save_table(
        points,
        folder / "per_keypoint_error.csv",
        "per-keypoint-error-keypoints",
        f"keypoints: error of each keypoint, px{test.leakage_warning}",
    )
    return metrics


@task
def evaluate_emotion(
    prepared: Path,
    predictions: Path,
    model_path: Path,
    settings: EvaluateEmotion,
    duplicates: Duplicates,
    metrics: Path,
    folder: Path,
) -> Path:
    """Write accuracy, macro-F1 and more, also of the baselines, as flat keys; tables go to `folder`."""
    train, validation, test = (load_dataset(prepared / f"{split}.npz") for split in ("train", "validation", "test"))
    loaded = load_predictions(predictions)
    intervals = metric_intervals(test, loaded.predicted)
    uncalibrated = metric_intervals(test, loaded.uncalibrated)
    results = flat(intervals) | flat({name: uncalibrated[name] for name in ("log_loss", "ece")}, "uncalibrated_")
    baseline = _baselines(
        train.with_output_classes(), validation.with_output_classes(), test, settings.pixel_baseline_rows
    )
    results |= {"temperature": float(loaded.temperature), **baseline}
    results |= duplicate_metrics("emotion", train, test, loaded.predicted, duplicates, folder)
    results |= flip_tta_metrics("emotion", test, loaded, folder)
    _write_metrics(metrics, results, test, loaded, model_path)
    rows = [*table_of(intervals), *({"metric": name, "value": value} for name, value in baseline.items())]
    log_table("metrics-emotion", rows, f"emotion: {_description(test, loaded)}")
    _write_classes(test, loaded.predicted, folder)
    return metrics


def _baselines(train: FaceDataset, validation: FaceDataset, test: FaceDataset, pixel_rows: int) -> dict[str, float]:
    log("emotion: fitting the baseline, a logistic regression on the pixels")
    # A random sample, because tables are often sorted by class.
    sample = train[np.random.default_rng(0).permutation(len(train))[:pixel_rows]]
    linear = pixel_logistic((sample.images, sample.targets), (validation.images, validation.targets), test.images)
    majority = np.eye(len(test.classes))[np.full(len(test), majority_class(train.targets))]
    of_majority = emotion_metrics(test.targets, majority)
    return {
        "baseline_accuracy": of_majority["accuracy"],
        "baseline_macro_f1": of_majority["macro_f1"],
        "baseline_pixel_logistic_accuracy": float((linear == test.targets).mean()),
    }


def _write_classes(test: FaceDataset, predicted: np.ndarray, folder: Path) -> None:
    columns = flat_columns(bootstrap_intervals(class_measure(test.targets, predicted), test.groups))
    counts = np.bincount(test.targets, minlength=len(test.classes))
    rows = [
        {
            "class": str(name),
            "faces": int(counts[k]),
            **{column: float(values[k]) for column, values in columns.items()},
        }
        for k, name in enumerate(test.classes)
    ]
    save_table(rows, folder / "classes.csv", "classes-emotion", f"emotion: metrics by class{test.leakage_warning}")


def flat_columns(intervals: dict) -> dict[str, np.ndarray]:
    """Returns `precision`, `precision_low`, `precision_high` and so on, (classes,) each."""
    return {
        f"{name}{end}": values
        for name, one in intervals.items()
        for end, values in zip(("", "_low", "_high"), one, strict=True)
    }


def _description(test: FaceDataset, predictions: Predictions) -> str:
    tta = "with flip TTA" if predictions.flip_tta else "without flip TTA"
    return f"{len(test)} test faces{test.leakage_warning or ', not used in training'}; 95% intervals over groups; {tta}"


def _write_metrics(path: Path, results: dict, test: FaceDataset, predictions: Predictions, model_path: Path) -> None:
    about: dict[str, object] = {
        "flip_tta": bool(predictions.flip_tta),
        "strategy": str(test.strategy),
        "is_leaky": test.is_leaky,
        "num_test_samples": len(test),
        "num_test_groups": len(np.unique(test.groups)),
    }
    if test.is_emotion:
        about["classes"] = ", ".join(test.classes.tolist())
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**results, **about, "model_sha256": sha256(model_path)}, indent=2) + "\n")
