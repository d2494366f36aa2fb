"""Slices of the test images by brightness, sharpness and group size, which an overall metric may hide."""

from typing import NamedTuple

import numpy as np

from faces.common.image_stats import brightness, sharpness


class Slice(NamedTuple):
    """Images alike in one property: the names of property and slice, its value range, and a mask `faces` (N,) bool."""

    property: str
    name: str
    min: float
    max: float
    faces: np.ndarray


def group_sizes(groups: np.ndarray) -> np.ndarray:
    """Returns how many of the images (N,) are in the same group as each, (N,)."""
    _, group_index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return counts[group_index]


def slices(images: np.ndarray, groups: np.ndarray) -> list[Slice]:
    """Returns thirds by brightness and by sharpness, and ranges of group size; empty slices are omitted."""
    light, sharp, sizes = brightness(images), sharpness(images), group_sizes(groups)
    return [
        *_sliced("brightness", ("dark", "middling", "bright"), light, np.quantile(light, [1 / 3, 2 / 3])),
        *_sliced("sharpness", ("soft", "middling", "sharp"), sharp, np.quantile(sharp, [1 / 3, 2 / 3])),
        *_sliced("group size", ("1", "2 to 4", "5 or more"), sizes, np.array([1, 4])),
    ]


def _sliced(property: str, names: tuple[str, ...], values: np.ndarray, bounds: np.ndarray) -> list[Slice]:
    """Slices up to the first bound, up to the second, and above it; equal values are in one slice."""
    which = np.searchsorted(bounds, values, side="left")
    masks = [(name, which == number) for number, name in enumerate(names)]
    return [
        Slice(property, name, float(values[mask].min()), float(values[mask].max()), mask)
        for name, mask in masks
        if mask.any()
    ]
