"""Metrics on slices of a split, which the overall metric may hide."""

from pathlib import Path

import numpy as np

from faces.evaluation.slices import slices
from tasks.evaluation.predictions import (
    HEADLINE_METRIC,
    flat,
    load_predictions,
    load_split,
    metric_intervals,
    save_table,
)
from tasks.orchestration.decorators import task


@task
def evaluate_slices(model_name: str, prepared: Path, predictions: Path, folder: Path, split: str = "test") -> None:
    """Write and log the metrics of each slice, `slices.csv`."""
    dataset, predicted = load_split(prepared, split), load_predictions(predictions).predicted
    test_slices = slices(dataset.images, dataset.groups)
    intervals = [metric_intervals(dataset[one.faces], predicted[one.faces]) for one in test_slices]
    rows = [
        {
            "property": one.property,
            "slice": one.name,
            "min": one.min,
            "max": one.max,
            "faces": int(one.faces.sum()),
            "groups": len(np.unique(dataset.groups[one.faces])),
            **flat(metrics),
        }
        for one, metrics in zip(test_slices, intervals, strict=True)
    ]
    save_table(
        rows,
        folder / "slices.csv",
        f"slices-{model_name}",
        f"{model_name}: metrics by slice{dataset.leakage_warning}",
        HEADLINE_METRIC[model_name],
    )
