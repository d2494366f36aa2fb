"""Ablations: flip TTA, precision, and duplicates of training images, each with and without. Returns flat metrics."""

from pathlib import Path

import numpy as np

from faces.evaluation.bootstrap import Estimate, bootstrap_intervals
from faces.evaluation.weighted_metrics import difference
from faces.models.tta import average_flipped
from faces.preparation.leakage import seen
from params import Duplicates
from tasks.common.dataset import FaceDataset
from tasks.evaluation.predictions import (
    HEADLINE_METRIC,
    Predictions,
    flat,
    metric_function,
    metric_intervals,
    save_table,
)
from tasks.models.exports import other_precision


def flip_tta_metrics(model_name: str, dataset: FaceDataset, predictions: Predictions, folder: Path) -> dict[str, float]:
    """Returns uncalibrated metrics with and without flip TTA and their differences; writes them to `flip_tta.csv`."""
    both = average_flipped(predictions.no_tta, predictions.flipped)
    rows, metrics, delta = _compare(dataset, {"no_tta": predictions.no_tta, "flip_tta": both})
    headline = "with flip TTA" if predictions.flip_tta else "without TTA"
    description = f"{model_name}: effect of flip TTA; headline metrics are {headline}{dataset.leakage_warning}"
    save_table(rows, folder / "flip_tta.csv", f"flip-tta-{model_name}", description)
    return metrics | values(delta, "flip_tta_delta_")


def precision_metrics(
    model_name: str, dataset: FaceDataset, predictions: Predictions, folder: Path
) -> dict[str, float]:
    """Returns uncalibrated metrics in float32 and int8, and int8's minus float32's; writes them to `precision.csv`.

    The difference of the headline metric has an interval over groups.
    """
    precision = str(predictions.precision)
    outputs = {precision: predictions.uncalibrated, other_precision(precision): predictions.other_precision}
    rows, metrics, delta = _compare(dataset, {name: outputs[name] for name in ("float32", "int8")})
    description = f"{model_name}: int8 against float32; headline metrics are of {precision}{dataset.leakage_warning}"
    save_table(rows, folder / "precision.csv", f"precision-{model_name}", description)
    headline = HEADLINE_METRIC[model_name]
    return metrics | values(delta, "int8_delta_") | flat({headline: delta[headline]}, "int8_delta_")


def _compare(
    dataset: FaceDataset, outputs: dict[str, np.ndarray]
) -> tuple[list[dict[str, object]], dict[str, float], dict[str, Estimate]]:
    """Rows, flat metrics and differences of two outputs by name: the second one's metrics minus the first one's."""
    (first, one), (second, other) = outputs.items()
    variants = {name: metric_intervals(dataset, predicted) for name, predicted in outputs.items()}
    delta = bootstrap_intervals(
        difference(metric_function(dataset, other), metric_function(dataset, one)), dataset.groups
    )
    rows: list[dict[str, object]] = [
        {
            "metric": name,
            first: float(variants[first][name].value),
            second: float(variants[second][name].value),
            "difference": float(delta[name].value),
            "low": float(delta[name].low),
            "high": float(delta[name].high),
        }
        for name in delta
    ]
    metrics = {**values(variants[first], f"{first}_"), **values(variants[second], f"{second}_")}
    return rows, metrics, delta


def duplicate_metrics(
    model_name: str, train: FaceDataset, dataset: FaceDataset, predicted: np.ndarray, settings: Duplicates, folder: Path
) -> dict[str, float]:
    """Returns metrics of test images with and without a duplicate in the training split; writes `duplicates.csv`."""
    duplicated = seen(dataset.images, train.images, settings.max_hamming_distance, settings.min_correlation)
    # A brightened copy may be saturated too much for a comparison of pixels; its row number identifies it.
    duplicated |= np.isin(dataset.rows, train.rows)
    masks = {
        "all": np.ones(len(dataset), bool),
        "with_train_duplicates": duplicated,
        "without_train_duplicates": ~duplicated,
    }
    intervals = {name: metric_intervals(dataset[mask], predicted[mask]) for name, mask in masks.items() if mask.any()}
    rows = [{"test_faces": name, "faces": int(masks[name].sum()), **flat(found)} for name, found in intervals.items()]
    summary = (
        f"{duplicated.sum()} of {len(dataset)} evaluated faces have a copy or near-duplicate in the training split"
    )
    if not duplicated.any():
        summary = f"none of {len(dataset)} evaluated faces has a copy or near-duplicate in the training split"
    save_table(
        rows,
        folder / "duplicates.csv",
        f"duplicates-in-training-{model_name}",
        f"{model_name}: {summary}{dataset.leakage_warning}",
        HEADLINE_METRIC[model_name],
    )
    metrics: dict[str, float] = {"num_test_samples_with_train_duplicates": int(duplicated.sum())}
    for name in ("with_train_duplicates", "without_train_duplicates"):
        metrics |= values(intervals[name], f"{name}_") if name in intervals else {}
    return metrics


def values(intervals: dict[str, Estimate], prefix: str) -> dict[str, float]:
    """Returns the metrics without intervals, which are in the tables: the metrics file must stay readable."""
    return {f"{prefix}{name}": float(one.value) for name, one in intervals.items()}


def table_of(intervals: dict[str, Estimate], **others: dict[str, float]) -> list[dict[str, object]]:
    """Returns rows of metric, value and interval, with a column for each other predictor, NaN where it has none."""
    return [
        {"metric": name, "value": float(one.value), "low": float(one.low), "high": float(one.high)}
        | {other: metrics.get(name, float("nan")) for other, metrics in others.items()}
        for name, one in intervals.items()
    ]
