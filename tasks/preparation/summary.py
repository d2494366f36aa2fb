"""The summary of prepared faces for a reviewer."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from faces.preparation.splits import SPLITS
from tasks.common.dataset import FaceDataset, concatenate, load_dataset
from tasks.common.files import replacing
from tasks.orchestration.artifacts import log_table
from tasks.orchestration.decorators import task


@task
def report_prepared(model_name: str, prepared: Path, report: Path) -> None:
    """Write and log the summary: strategy, rows, classes, dropped rows, duplicates, leakage, normalization."""
    datasets = {name: load_dataset(prepared / f"{name}.npz") for name in (*SPLITS, "augmented")}
    splits = {name: datasets[name] for name in SPLITS}
    train = datasets["train"]
    reasons = pd.read_csv(prepared / "splits.csv", keep_default_na=False)["dropped"]
    summary = {
        "strategy": str(train.strategy),
        "is_leaky": train.is_leaky,
        "rows": {name: len(dataset) for name, dataset in datasets.items()},
        "dropped": reasons[reasons != ""].value_counts().to_dict(),
        "class_fractions": {name: _class_fractions(split) for name, split in splits.items() if split.is_emotion},
        "labelled_fractions": {
            name: float(np.isfinite(split.targets).mean()) for name, split in splits.items() if not split.is_emotion
        },
        "subjects": {name: len(set(split.subjects.tolist()) - {""}) for name, split in splits.items()},
        **{
            name: json.loads((prepared / f"{name}.json").read_text())
            for name in ("duplicates", "leakage", "normalization")
        },
    }
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    whole = concatenate([replace(split, images=split.images[:, :0]) for split in splits.values()])
    rows = [
        {"split": name, "rows": len(dataset), **(_class_fractions(dataset) if dataset.is_emotion else {})}
        for name, dataset in ({"whole": whole} | datasets).items()
    ]
    leakage_warning = train.leakage_warning or "; no leakage"
    log_table(f"prepare-{model_name}", rows, f"{model_name}: rows and class fractions per split{leakage_warning}")


def _class_fractions(dataset: FaceDataset) -> dict[str, float]:
    counts = np.bincount(dataset.targets, minlength=len(dataset.classes))
    fractions = counts / max(len(dataset), 1)
    return {str(name): float(round(each, 4)) for name, each in zip(dataset.classes, fractions, strict=True)}
