"""Kinds of test faces that a mean over all of them may hide: dark and light, soft and sharp, alone and in groups."""

from typing import NamedTuple

import numpy as np

from faces.common.image_stats import brightness, sharpness


class Slice(NamedTuple):
    """Faces alike in one property: its name, this slice's, the least and greatest value in it, and who, (N,) bool."""

    property: str
    name: str
    least: float
    greatest: float
    faces: np.ndarray


def group_sizes(groups: np.ndarray) -> np.ndarray:
    """How many of these faces (N,) are of the same group as each, (N,)."""
    _, own, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return counts[own]


def slices(images: np.ndarray, groups: np.ndarray) -> list[Slice]:
    """Thirds by brightness and by sharpness, and bands of group size; a slice without a face is left out."""
    light, sharp, sizes = brightness(images), sharpness(images), group_sizes(groups)
    return [
        *_parted("brightness", ("dark", "middling", "bright"), light, np.quantile(light, [1 / 3, 2 / 3])),
        *_parted("sharpness", ("soft", "middling", "sharp"), sharp, np.quantile(sharp, [1 / 3, 2 / 3])),
        *_parted("group size", ("1", "2 to 4", "5 or more"), sizes, np.array([1, 4])),
    ]


def _parted(property: str, names: tuple[str, ...], values: np.ndarray, bounds: np.ndarray) -> list[Slice]:
    """Faces up to the first bound, up to the second, and over it; equal values are never parted."""
    which = np.searchsorted(bounds, values, side="left")
    masks = [(name, which == number) for number, name in enumerate(names)]
    return [
        Slice(property, name, float(values[mask].min()), float(values[mask].max()), mask)
        for name, mask in masks
        if mask.any()
    ]
