"""Metrics on slices of the test split, which the overall metric may hide."""

from pathlib import Path

import numpy as np

from faces.evaluation.slices import slices
from faces.plots.evaluation import slices_figure
from tasks.common.dataset import load_dataset
from tasks.evaluation.predictions import (
    HEADLINE_METRIC,
    METRIC_NAMES,
    flat,
    load_predictions,
    metric_intervals,
    save_figure,
    save_table,
)
from tasks.orchestration.decorators import task


@task
def evaluate_slices(model_name: str, prepared: Path, predictions: Path, folder: Path) -> None:
    """Write and log the metrics of each slice, `slices.csv`, and a figure of the model's headline metric."""
    test, predicted = load_dataset(prepared / "test.npz"), load_predictions(predictions).predicted
    test_slices, metric = slices(test.images, test.groups), HEADLINE_METRIC[model_name]
    intervals = [metric_intervals(test[one.faces], predicted[one.faces]) for one in test_slices]
    rows = [
        {
            "property": one.property,
            "slice": one.name,
            "min": one.min,
            "max": one.max,
            "faces": int(one.faces.sum()),
            "groups": len(np.unique(test.groups[one.faces])),
            **flat(metrics),
        }
        for one, metrics in zip(test_slices, intervals, strict=True)
    ]
    save_table(
        rows,
        folder / "slices.csv",
        f"slices-{model_name}",
        f"{model_name}: metrics by slice{test.leakage_warning}",
        metric,
    )
    labels = [(one.property, f"{one.name} ({one.faces.sum()} faces)") for one in test_slices]
    overall = float(metric_intervals(test, predicted)[metric].value)
    name, each = METRIC_NAMES[model_name], np.array([metrics[metric] for metrics in intervals]).T
    figure = slices_figure(labels, each, overall, name, f"{name} by slice{test.leakage_warning}")
    save_figure(
        figure,
        folder / "slices.png",
        f"slices-picture-{model_name}",
        f"{model_name}: {name} by slice{test.leakage_warning}",
    )
