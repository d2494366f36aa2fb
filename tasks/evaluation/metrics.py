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
from tasks.evaluation.ablations import duplicate_metrics, flip_tta_metrics, precision_metrics, table_of
from tasks.evaluation.predictions import Predictions, flat, load_predictions, load_split, metric_intervals, save_table
from tasks.orchestration.artifacts import log, log_table
from tasks.orchestration.decorators import task


@task
def evaluate_keypoints(
    prepared: Path,
    predictions: Path,
    export: Path,
    duplicates: Duplicates,
    metrics: Path,
    folder: Path,
    split: str = "test",
) -> Path:
    """Write NME, RMSE in pixels, failure rate and more, also of the mean face, as flat keys; tables go to `folder`.

    `export` is the exported model that made the predictions, of the faces of `split`: test or validation.
    """
    train, dataset = load_dataset(prepared / "train.npz"), load_split(prepared, split)
    loaded = load_predictions(predictions)
    intervals = metric_intervals(dataset, loaded.predicted)
    baseline = metric_intervals(dataset, np.broadcast_to(mean_face(train.targets), dataset.targets.shape))
    results = flat(intervals) | flat(baseline, "baseline_")
    results |= duplicate_metrics("keypoints", train, dataset, loaded.predicted, duplicates, folder)
    results |= flip_tta_metrics("keypoints", dataset, loaded, folder)
    results |= precision_metrics("keypoints", dataset, loaded, folder)
    _write_metrics(metrics, results, dataset, loaded, export, split)
    mean = {"mean face": {name: float(one.value) for name, one in baseline.items()}}
    log_table("metrics-keypoints", table_of(intervals, **mean), f"keypoints: {_description(dataset, loaded, split)}")
    errors = bootstrap_intervals(point_measure(dataset.targets, loaded.predicted), dataset.groups)["error_px"]
    labelled = np.isfinite(dataset.targets).all(axis=2).sum(axis=0)
    points = [
        {"point": name, "faces": int(labelled[k]), **{end: float(getattr(errors, end)[k]) for end in errors._fields}}
        for k, name in enumerate(KEYPOINTS)
    ]
    save_table(
        points,
        folder / "per_keypoint_error.csv",
        "per-keypoint-error-keypoints",
        f"keypoints: error of each keypoint, px{dataset.leakage_warning}",
    )
    return metrics


@task
def evaluate_emotion(
    prepared: Path,
    predictions: Path,
    export: Path,
    settings: EvaluateEmotion,
    duplicates: Duplicates,
    metrics: Path,
    folder: Path,
    split: str = "test",
) -> Path:
    """Write accuracy, macro-F1 and more, also of the baselines, as flat keys; tables go to `folder`.

    `export` is the exported model that made the predictions, of the faces of `split`: test or validation.
    """
    train, dataset = load_dataset(prepared / "train.npz"), load_split(prepared, split)
    loaded = load_predictions(predictions)
    intervals = metric_intervals(dataset, loaded.predicted)
    uncalibrated = metric_intervals(dataset, loaded.uncalibrated)
    results = flat(intervals) | flat({name: uncalibrated[name] for name in ("log_loss", "ece")}, "uncalibrated_")
    validation = load_split(prepared, "validation")
    baseline = _baselines(train.with_output_classes(), validation, dataset, settings.pixel_baseline_rows)
    results |= {"temperature": float(loaded.temperature), **baseline}
    results |= duplicate_metrics("emotion", train, dataset, loaded.predicted, duplicates, folder)
    results |= flip_tta_metrics("emotion", dataset, loaded, folder)
    results |= precision_metrics("emotion", dataset, loaded, folder)
    _write_metrics(metrics, results, dataset, loaded, export, split)
    rows = [*table_of(intervals), *({"metric": name, "value": value} for name, value in baseline.items())]
    log_table("metrics-emotion", rows, f"emotion: {_description(dataset, loaded, split)}")
    _write_classes(dataset, loaded.predicted, folder)
    return metrics


def _baselines(train: FaceDataset, validation: FaceDataset, dataset: FaceDataset, pixel_rows: int) -> dict[str, float]:
    log("emotion: fitting the baseline, a logistic regression on the pixels")
    # A random sample, because tables are often sorted by class.
    sample = train[np.random.default_rng(0).permutation(len(train))[:pixel_rows]]
    linear = pixel_logistic((sample.images, sample.targets), (validation.images, validation.targets), dataset.images)
    majority = np.eye(len(dataset.classes))[np.full(len(dataset), majority_class(train.targets))]
    of_majority = emotion_metrics(dataset.targets, majority)
    return {
        "baseline_accuracy": of_majority["accuracy"],
        "baseline_macro_f1": of_majority["macro_f1"],
        "baseline_pixel_logistic_accuracy": float((linear == dataset.targets).mean()),
    }


def _write_classes(dataset: FaceDataset, predicted: np.ndarray, folder: Path) -> None:
    columns = flat_columns(bootstrap_intervals(class_measure(dataset.targets, predicted), dataset.groups))
    counts = np.bincount(dataset.targets, minlength=len(dataset.classes))
    rows = [
        {
            "class": str(name),
            "faces": int(counts[k]),
            **{column: float(values[k]) for column, values in columns.items()},
        }
        for k, name in enumerate(dataset.classes)
    ]
    save_table(rows, folder / "classes.csv", "classes-emotion", f"emotion: metrics by class{dataset.leakage_warning}")


def flat_columns(intervals: dict) -> dict[str, np.ndarray]:
    """Returns `precision`, `precision_low`, `precision_high` and so on, (classes,) each."""
    return {
        f"{name}{end}": values
        for name, one in intervals.items()
        for end, values in zip(("", "_low", "_high"), one, strict=True)
    }


def _description(dataset: FaceDataset, predictions: Predictions, split: str) -> str:
    tta = "with flip TTA" if predictions.flip_tta else "without flip TTA"
    unseen = dataset.leakage_warning or ", not used in training"
    return f"{len(dataset)} {split} faces{unseen}; 95% intervals over groups; {predictions.precision}, {tta}"


def _write_metrics(
    path: Path, results: dict, dataset: FaceDataset, predictions: Predictions, export: Path, split: str
) -> None:
    about: dict[str, object] = {
        "precision": str(predictions.precision),
        "flip_tta": bool(predictions.flip_tta),
        "strategy": str(dataset.strategy),
        "is_leaky": dataset.is_leaky,
        "num_test_samples": len(dataset),
        "num_test_groups": len(np.unique(dataset.groups)),
    }
    if dataset.is_emotion:
        about["classes"] = ", ".join(dataset.classes.tolist())
    renamed = {name.replace("num_test_", f"num_{split}_"): value for name, value in (results | about).items()}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**renamed, "export_sha256": sha256(export)}, indent=2) + "\n")
