"""Describes both valid tables, and draws what a reviewer looks at first."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES
from faces.data.eda import class_counts, describe_table, info_table
from faces.data.label_offset import symmetry, symmetry_figure, symmetry_sentence
from faces.plots.exploration import (
    balance_figure,
    emotions_figure,
    face_grid_figure,
    heat_map_figure,
    missing_figure,
    named_points_figure,
)
from params import Explore
from tasks.common.files import replacing
from tasks.orchestration.api import leave_picture, leave_table, log, task


@task
def describe(head: str, valid: Path, folder: Path) -> Path:
    """Write and leave what each column holds, `HEAD_info.csv`, and how it is spread, `HEAD_describe.csv`."""
    table, images = _table_and_images(head, valid)
    tables = {"info": info_table(table), "describe": describe_table(table, images)}
    for name, content in tables.items():
        with replacing(folder / f"{head}_{name}.csv") as temporary:
            content.to_csv(temporary, index=False)
        rows = [{str(key): value for key, value in row.items()} for row in content.to_dict("records")]
        leave_table(f"{name}-{head}", rows, f"{head}: {name} of {len(table)} valid rows")
    return folder


@task
def draw_keypoints(valid: Path, settings: Explore, folder: Path) -> Path:
    """Write and leave a face with named points, a grid, where points fall, whether all are off, which are missing."""
    table, images = _table_and_images("keypoints", valid)
    points = table[list(COORDINATES)].to_numpy(np.float32).reshape(-1, 15, 2)
    rows = table["row"].to_numpy()
    mixed = np.random.default_rng(settings.seed).permutation(len(table))
    # Of a published table most faces have four points: one is drawn that has as many as any.
    one = mixed[np.isfinite(points[mixed]).all(axis=2).sum(axis=1).argmax()]
    named = named_points_figure(images[one], points[one], f"Face of row {rows[one]}")
    _keep(named, folder, "keypoints_face", "keypoints: a face with its points, named")
    grid = np.sort(mixed[: settings.faces_drawn])
    captions = [f"row {row}" for row in rows[grid]]
    shown = face_grid_figure(images[grid], captions, _grid_title(grid, table), points[grid])
    _keep(shown, folder, "keypoints_faces", "keypoints: faces with their points")
    _keep(heat_map_figure(images, points), folder, "keypoints_places", "keypoints: where the points fall")
    found = symmetry(images, points)
    log(f"keypoints: {symmetry_sentence(found)}")
    _keep(symmetry_figure(found), folder, "keypoints_symmetry", "keypoints: middle of the points, middle of the faces")
    _keep(missing_figure(points), folder, "keypoints_missing", "keypoints: share of faces that lack each point")
    return folder


@task
def draw_emotion(valid: Path, settings: Explore, folder: Path) -> Path:
    """Write and leave one face of each emotion, a grid of faces, and the balance of the classes."""
    table, images = _table_and_images("emotion", valid)
    rows, emotions = table["row"].to_numpy(), table["emotion"].to_numpy(str)
    counts = class_counts(table["emotion"])
    mixed = np.random.default_rng(settings.seed).permutation(len(table))
    each = [next(face for face in mixed if emotions[face] == name) for name in counts.index[counts > 0]]
    captions = [f"{emotions[face]}\nrow {rows[face]}" for face in each]
    _keep(emotions_figure(images[each], captions), folder, "emotion_each", "emotion: one face of each")
    grid = np.sort(mixed[: settings.faces_drawn])
    captions = [f"row {rows[face]} · {emotions[face]}" for face in grid]
    shown = face_grid_figure(images[grid], captions, _grid_title(grid, table), None)
    _keep(shown, folder, "emotion_faces", "emotion: faces with their labels")
    _keep(balance_figure(counts), folder, "emotion_balance", "emotion: how many faces each class has")
    return folder


def _table_and_images(head: str, valid: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_parquet(valid)
    return table, np.frombuffer(b"".join(table["pixels"]), np.uint8).reshape(-1, SIZES[head], SIZES[head])


def _grid_title(grid: np.ndarray, table: pd.DataFrame) -> str:
    return f"{len(grid)} of {len(table)} faces, by their row in the raw table"


def _keep(figure: Figure, folder: Path, name: str, description: str) -> None:
    path = folder / f"{name}.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, bbox_inches="tight", pad_inches=0.1, pil_kwargs={"optimize": True})
    leave_picture(f"explore-{name.replace('_', '-')}", path, description)
