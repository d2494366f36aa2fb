"""The summary of prepared faces for a reviewer."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.plots.face_grid import faces_figure
from faces.preparation.splits import SPLITS
from tasks.common.dataset import FaceDataset, concatenate, load_dataset
from tasks.common.files import replacing
from tasks.orchestration.artifacts import log_figure, log_table
from tasks.orchestration.decorators import task


@task
def report_prepared(model_name: str, prepared: Path, report: Path, figure: Path) -> None:
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
    rows = [
        {"split": name, "rows": len(dataset), **(_class_fractions(dataset) if dataset.is_emotion else {})}
        for name, dataset in ({"whole": concatenate(list(splits.values()))} | datasets).items()
    ]
    leakage_warning = train.leakage_warning or "; no leakage"
    log_table(f"prepare-{model_name}", rows, f"{model_name}: rows and class fractions per split{leakage_warning}")
    with replacing(figure) as temporary:
        _augmentation_figure(train, datasets["augmented"]).savefig(temporary, dpi=110)
    log_figure(f"augmentation-{model_name}", figure, f"{model_name}: training faces and their copies")


def _class_fractions(dataset: FaceDataset) -> dict[str, float]:
    counts = np.bincount(dataset.targets, minlength=len(dataset.classes))
    fractions = counts / max(len(dataset), 1)
    return {str(name): float(round(each, 4)) for name, each in zip(dataset.classes, fractions, strict=True)}


def _augmentation_figure(train: FaceDataset, copies: FaceDataset, num_faces: int = 8) -> Figure:
    """One row of training faces above one row per kind of copy, with keypoints if there are any."""
    kinds = dict.fromkeys(copies.augmentation_kind.tolist())
    shown = concatenate([train[:num_faces], *(copies[copies.augmentation_kind == kind][:num_faces] for kind in kinds)])
    captions = [f"row {row} · {kind}" for row, kind in zip(shown.rows, shown.augmentation_kind, strict=True)]
    if train.is_emotion:
        captions = [
            f"{caption}\n{train.classes[target]}" for caption, target in zip(captions, shown.targets, strict=True)
        ]
    points = None if train.is_emotion else shown.targets
    title = f"Training faces and their copies{train.leakage_warning}"
    return faces_figure(shown.images, captions, title, points, columns=min(num_faces, len(train)))
