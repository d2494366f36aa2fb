"""Ablations: with and without flip TTA, and with and without duplicates of training images. Returns flat metrics."""

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


def flip_tta_metrics(model_name: str, test: FaceDataset, predictions: Predictions, folder: Path) -> dict[str, float]:
    """Returns uncalibrated metrics with and without flip TTA and their differences; writes them to `flip_tta.csv`."""
    both = average_flipped(predictions.no_tta, predictions.flipped)
    variants = {"no_tta": metric_intervals(test, predictions.no_tta), "flip_tta": metric_intervals(test, both)}
    delta = bootstrap_intervals(
        difference(metric_function(test, both), metric_function(test, predictions.no_tta)), test.groups
    )
    rows = [
        {
            "metric": name,
            "no_tta": float(variants["no_tta"][name].value),
            "flip_tta": float(variants["flip_tta"][name].value),
            "difference": float(delta[name].value),
            "low": float(delta[name].low),
            "high": float(delta[name].high),
        }
        for name in delta
    ]
    headline = "with flip TTA" if predictions.flip_tta else "without TTA"
    description = f"{model_name}: effect of flip TTA; headline metrics are {headline}{test.leakage_warning}"
    save_table(rows, folder / "flip_tta.csv", f"flip-tta-{model_name}", description)
    metrics = {**values(variants["no_tta"], "no_tta_"), **values(variants["flip_tta"], "flip_tta_")}
    return metrics | values(delta, "flip_tta_delta_")


def duplicate_metrics(
    model_name: str, train: FaceDataset, test: FaceDataset, predicted: np.ndarray, settings: Duplicates, folder: Path
) -> dict[str, float]:
    """Returns metrics of test images with and without a duplicate in the training split; writes `duplicates.csv`."""
    duplicated = seen(test.images, train.images, settings.max_hamming_distance, settings.min_correlation)
    # A brightened copy may be saturated too much for a comparison of pixels; its row number identifies it.
    duplicated |= np.isin(test.rows, train.rows)
    masks = {
        "all": np.ones(len(test), bool),
        "with_train_duplicates": duplicated,
        "without_train_duplicates": ~duplicated,
    }
    intervals = {name: metric_intervals(test[mask], predicted[mask]) for name, mask in masks.items() if mask.any()}
    rows = [{"test_faces": name, "faces": int(masks[name].sum()), **flat(found)} for name, found in intervals.items()]
    summary = f"{duplicated.sum()} of {len(test)} test faces have a copy or near-duplicate in the training split"
    if not duplicated.any():
        summary = f"none of {len(test)} test faces has a copy or near-duplicate in the training split"
    save_table(
        rows,
        folder / "duplicates.csv",
        f"duplicates-in-training-{model_name}",
        f"{model_name}: {summary}{test.leakage_warning}",
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
