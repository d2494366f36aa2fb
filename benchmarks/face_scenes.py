"""Scenes of real faces for measuring face detectors: faces of a raw keypoints table, blended into drawn backgrounds."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES
from faces.synthetic.photographs import Cell, Scene, background, draw_scene

SMALL, EMPTY = "small, 38 to 77 px", "no face"


CELLS = {
    "upright, 96 to 200 px": Cell((96, 200), (0, 0), 4, 3),
    SMALL: Cell((38, 77), (0, 0), 6, 4),
    "tilted by 15 to 30": Cell((96, 200), (15, 30), 4, 3),
    "tilted by 30 to 45": Cell((96, 200), (30, 45), 4, 3),
    "tilted by 60 to 90": Cell((96, 200), (60, 90), 4, 3),
}


class Faces(NamedTuple):
    """Faces (N, 96, 96) uint8, their keypoints (N, 15, 2) in pixels, NaN where absent, and subjects (N,)."""

    images: np.ndarray
    keypoints: np.ndarray
    persons: np.ndarray


def read_faces(path: Path) -> Faces:
    """Read a raw keypoints table (CSV) with the columns `Image` and `person`."""
    table = pd.read_csv(path)
    images = np.array([np.array(text.split(), np.uint8) for text in table["Image"]]).reshape(-1, 96, 96)
    return Faces(images, table[list(COORDINATES)].to_numpy(float).reshape(-1, 15, 2), table["person"].to_numpy())


def halves(persons: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the faces of one half of the subjects, and of the other."""
    subjects = np.random.default_rng(seed).permutation(np.unique(persons))
    first = np.isin(persons, subjects[: len(subjects) // 2])
    return np.flatnonzero(first), np.flatnonzero(~first)


def draw_cell(rng: np.random.Generator, faces: Faces, numbers: np.ndarray, cell: Cell, count: int) -> list[Scene]:
    """Scenes of a cell with `count` faces at least; each face is drawn as often as any other, or once more."""
    per_scene = min(cell.columns * cell.rows, count)
    scenes = -(-count // per_scene)
    rounds = [rng.permutation(numbers) for _ in range(-(-scenes * per_scene // len(numbers)))]
    chosen = np.concatenate(rounds)[: scenes * per_scene].reshape(scenes, per_scene)
    return [draw_scene(rng, faces.images, some, cell) for some in chosen]


def empty_scenes(rng: np.random.Generator, count: int) -> list[Scene]:
    """Scenes without faces."""
    return [Scene(background(rng).astype(np.uint8), np.empty(0, int), np.empty((0, 4))) for _ in range(count)]


def scenes_of(
    faces: Faces, numbers: np.ndarray, count: int, empty: int, seed: int, upright: bool = False
) -> dict[str, list[Scene]]:
    """The scenes of all cells, and those without a face. With `upright`, the same scenes but that no face is tilted."""
    rng = np.random.default_rng(seed)
    cells = {name: cell._replace(degrees=(0, 0)) if upright else cell for name, cell in CELLS.items()}
    drawn = {name: draw_cell(rng, faces, numbers, cell, count) for name, cell in cells.items()}
    return drawn | {EMPTY: empty_scenes(rng, empty)}
