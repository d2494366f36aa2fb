"""Flags faces whose quality makes a prediction unreliable."""

from typing import NamedTuple

import numpy as np

from faces.common.image_stats import brightness, sharpness

FLAGS = ("too_small", "blurred", "dark", "clipped")


class Bounds(NamedTuple):
    """Bounds of an unflagged face: its side in source pixels, brightness in grey levels, a fraction of its pixels.

    `min_laplacian_variance` is the variance of the Laplacian at 96x96, see `faces.common.image_stats.sharpness`.
    """

    min_side: float
    min_laplacian_variance: float
    min_brightness: float
    max_saturated_fraction: float


def quality_flags(images: np.ndarray, sides: np.ndarray, bounds: Bounds) -> dict[str, np.ndarray]:
    """FLAGS, (N,) bool each, of crops (N, 96, 96) uint8.

    `sides` (N,) are the sides of the faces' boxes in pixels of their sources. Clipped pixels are 0 or 255.
    """
    saturated = ((images == 0) | (images == 255)).mean(axis=(1, 2))
    return {
        "too_small": sides < bounds.min_side,
        "blurred": sharpness(images) < bounds.min_laplacian_variance,
        "dark": brightness(images) < bounds.min_brightness,
        "clipped": saturated > bounds.max_saturated_fraction,
    }
