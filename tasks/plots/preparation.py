"""Draws prepared faces: near-duplicates and offline augmentation."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.pixel_text import SIZES
from faces.common.stored_images import images_of
from faces.plots.face_grid import faces_figure
from tasks.common.dataset import concatenate, load_dataset
from tasks.orchestration.artifacts import counted
from tasks.orchestration.decorators import task
from tasks.plots.figure_files import save_figure

MAX_PAIRS, NUM_FACES = 20, 8
"""Near-duplicate pairs, and faces of each kind of copy."""


@task
def draw_duplicates(model_name: str, valid: Path, prepared: Path, folder: Path) -> None:
    """Write and log `near_duplicates.png`: the pairs with the lowest correlation, to check the thresholds by eye."""
    table = pd.read_parquet(valid)
    near = pd.read_csv(prepared / "near_duplicate_pairs.csv", dtype={"correlation": float})
    images, position = images_of(table, model_name), pd.Series(range(len(table)), index=table["row"])
    shown, captions = [], []
    for pair in near.nsmallest(MAX_PAIRS, "correlation").to_dict("records"):
        first, second = position[pair["first"]], position[pair["second"]]
        shown += [images[first], images[second][:, ::-1] if pair["mirrored"] else images[second]]
        labels = [f"\n{table['emotion'][number]}" if model_name == "emotion" else "" for number in (first, second)]
        relation = f"{pair['correlation']:.3f}{', mirrored' if pair['mirrored'] else ''}"
        captions += [f"row {pair['first']}{labels[0]}", f"row {pair['second']} · {relation}{labels[1]}"]
    if not shown:
        shown, captions = [np.full((SIZES[model_name], SIZES[model_name]), 255, np.uint8)], ["no near-duplicates"]
    title = f"{model_name}: pairs of lowest correlation among {counted(len(near), 'pair')} of near-duplicates"
    figure = faces_figure(np.stack(shown), captions, title)
    description = f"{model_name}: pairs of near-duplicates, lowest correlation first"
    save_figure(figure, folder / "near_duplicates.png", f"near-duplicates-{model_name}", description)


@task
def draw_offline_augmentation(model_name: str, prepared: Path, folder: Path) -> None:
    """Write and log `offline_augmentation.png`: a row of training faces above a row of each kind of copy."""
    train, copies = (load_dataset(prepared / f"{name}.npz") for name in ("train", "augmented"))
    kinds = dict.fromkeys(copies.augmentation_kind.tolist())
    shown = concatenate([train[:NUM_FACES], *(copies[copies.augmentation_kind == kind][:NUM_FACES] for kind in kinds)])
    captions = [f"row {row} · {kind}" for row, kind in zip(shown.rows, shown.augmentation_kind, strict=True)]
    if train.is_emotion:
        captions = [
            f"{caption}\n{train.classes[target]}" for caption, target in zip(captions, shown.targets, strict=True)
        ]
    points = None if train.is_emotion else shown.targets
    title = f"Training faces and their copies{train.leakage_warning}"
    figure = faces_figure(shown.images, captions, title, points, columns=min(NUM_FACES, len(train)))
    description = f"{model_name}: training faces and their copies"
    save_figure(figure, folder / "offline_augmentation.png", f"augmentation-{model_name}", description)
