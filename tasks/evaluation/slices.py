"""How a network does on kinds of test faces that the mean over all of them may hide."""

from pathlib import Path

import numpy as np

from faces.evaluation.slices import slices
from faces.plots.evaluation import slices_figure
from tasks.common.dataset import load_part
from tasks.evaluation.predictions import (
    HEADLINE,
    METRIC_NAMES,
    flat,
    keep_picture,
    keep_table,
    load_evaluated,
    measured,
)
from tasks.orchestration.api import task


@task
def judge_slices(head: str, prepared: Path, predictions: Path, folder: Path) -> None:
    """Write and leave the metrics of each slice, `slices.csv`, and a picture of the head's headline metric."""
    test, predicted = load_part(prepared / "test.npz"), load_evaluated(predictions).predicted
    parted, metric = slices(test.images, test.groups), HEADLINE[head]
    found = [measured(test[one.faces], predicted[one.faces]) for one in parted]
    rows = [
        {
            "property": one.property,
            "slice": one.name,
            "least": one.least,
            "greatest": one.greatest,
            "faces": int(one.faces.sum()),
            "groups": len(np.unique(test.groups[one.faces])),
            **flat(metrics),
        }
        for one, metrics in zip(parted, found, strict=True)
    ]
    keep_table(rows, folder / "slices.csv", f"slices-{head}", f"{head}: metrics by slice{test.caution}", metric)
    labels = [(one.property, f"{one.name} ({one.faces.sum()} faces)") for one in parted]
    overall = float(measured(test, predicted)[metric].value)
    name, each = METRIC_NAMES[head], np.array([metrics[metric] for metrics in found]).T
    picture = slices_figure(labels, each, overall, name, f"{name} by slice{test.caution}")
    keep_picture(picture, folder / "slices.png", f"slices-picture-{head}", f"{head}: {name} by slice{test.caution}")
