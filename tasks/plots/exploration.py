"""Draws both valid tables, for a first review of the data."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.common.schema import COORDINATES
from faces.common.stored_images import images_of
from faces.data.eda import class_counts
from faces.data.label_offset import symmetry
from faces.plots.exploration import (
    balance_figure,
    emotions_figure,
    face_grid_figure,
    heat_map_figure,
    missing_figure,
    named_points_figure,
    symmetry_figure,
)
from params import ReportTables
from tasks.common.files import replacing
from tasks.orchestration.artifacts import counted, log_figure
from tasks.orchestration.decorators import task


@task
def draw_keypoints(valid: Path, settings: ReportTables, folder: Path) -> Path:
    """Write and log figures: one named face, a grid of faces, keypoint heat map, label offset, missing keypoints."""
    table, images = _table_and_images("keypoints", valid)
    points = table[list(COORDINATES)].to_numpy(np.float32).reshape(-1, 15, 2)
    rows = table["row"].to_numpy()
    order = np.random.default_rng(settings.seed).permutation(len(table))
    # Most faces of a published table have four keypoints; draw one with the maximum number.
    best = order[np.isfinite(points[order]).all(axis=2).sum(axis=1).argmax()]
    named = named_points_figure(images[best], points[best], f"Face of row {rows[best]}")
    _save_figure(named, folder, "keypoints_face", "keypoints: one face with named keypoints")
    grid = np.sort(order[: settings.num_examples])
    captions = [f"row {row}" for row in rows[grid]]
    faces = face_grid_figure(images[grid], captions, _grid_title(grid, table), points[grid])
    _save_figure(faces, folder, "keypoints_faces", "keypoints: faces with their keypoints")
    _save_figure(heat_map_figure(images, points), folder, "keypoints_places", "keypoints: keypoint positions")
    _save_figure(
        symmetry_figure(symmetry(images, points)),
        folder,
        "keypoints_symmetry",
        "keypoints: axis of the keypoints, axis of the faces",
    )
    _save_figure(
        missing_figure(points), folder, "keypoints_missing", "keypoints: fraction of faces without each keypoint"
    )
    return folder


@task
def draw_emotion(valid: Path, settings: ReportTables, folder: Path) -> Path:
    """Write and log figures: one face per emotion, a grid of faces, class balance."""
    table, images = _table_and_images("emotion", valid)
    rows, emotions = table["row"].to_numpy(), table["emotion"].to_numpy(str)
    counts = class_counts(table["emotion"])
    order = np.random.default_rng(settings.seed).permutation(len(table))
    each = [next(face for face in order if emotions[face] == name) for name in counts.index[counts > 0]]
    captions = [f"{emotions[face]}\nrow {rows[face]}" for face in each]
    _save_figure(emotions_figure(images[each], captions), folder, "emotion_each", "emotion: one face per class")
    grid = np.sort(order[: settings.num_examples])
    captions = [f"row {rows[face]} · {emotions[face]}" for face in grid]
    faces = face_grid_figure(images[grid], captions, _grid_title(grid, table), None)
    _save_figure(faces, folder, "emotion_faces", "emotion: faces with their labels")
    _save_figure(balance_figure(counts), folder, "emotion_balance", "emotion: number of faces per class")
    return folder


def _table_and_images(model_name: str, valid: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_parquet(valid)
    return table, images_of(table, model_name)


def _grid_title(grid: np.ndarray, table: pd.DataFrame) -> str:
    return f"{len(grid)} of {counted(len(table), 'face')}, with their rows in the raw table"


def _save_figure(figure: Figure, folder: Path, name: str, description: str) -> None:
    path = folder / f"{name}.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, bbox_inches="tight", pad_inches=0.1, pil_kwargs={"optimize": True})
    log_figure(f"explore-{name.replace('_', '-')}", path, description)
