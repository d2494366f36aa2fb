"""Reads the faces of a prepared split, `.npz`, with few in memory at a time."""

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from tasks.common.files import InputError
from tasks.common.npz import read_arrays, read_header, read_rows
from tasks.orchestration.artifacts import counted
from tasks.readers.sources import MAX_BYTES

BLOCK_BYTES = 4 * 2**20


def count_faces(path: Path) -> int:
    """The number of faces that the header declares. Raises ValueError if there is no header."""
    return math.prod(read_header(path, "rows").shape[:1])


def split_faces(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Each face: its row in the raw table, and its pixels (H, W) uint8.

    Raises InputError before the first face if the file is not a prepared split.
    """
    try:
        rows = _row_numbers(path)
        blocks = read_rows(path, "images", _faces_at_once(path, len(rows)))
        if len(np.unique(rows)) < len(rows):
            remedy = "name the original split instead"
            raise InputError(f"{path}: its rows repeat, as in an augmented split; {remedy}")
        yield from zip(rows.tolist(), chain.from_iterable(blocks), strict=True)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: not a prepared split ({error}); `dvc repro` writes one") from None


def _row_numbers(path: Path) -> np.ndarray:
    rows = read_arrays(path, ["rows"])["rows"]
    if rows.ndim != 1 or rows.dtype.kind != "i":
        raise ValueError(f"rows are {rows.dtype} {rows.shape}, not whole numbers (N,)")
    return rows


def _faces_at_once(path: Path, num_faces: int) -> int:
    """The number of images per block. Raises ValueError if `images` are not images, or not one per row."""
    shape, kind, by_column = read_header(path, "images")
    if len(shape) != 3 or kind != np.uint8 or (shape[0] and 0 in shape):
        raise ValueError(f"images are {kind} {shape}, not uint8 (N, H, W)")
    if shape[0] != num_faces:
        raise ValueError(f"{counted(shape[0], 'image')}, but rows has {num_faces}")
    if (pixels := shape[1] * shape[2]) > MAX_BYTES:
        raise ValueError(f"images of {shape[2]}x{shape[1]} pixels are more than {MAX_BYTES // 2**20} MiB each")
    if by_column:
        raise ValueError("its images are stored by column; save them by row, see np.ascontiguousarray")
    return max(BLOCK_BYTES // max(pixels, 1), 1)
