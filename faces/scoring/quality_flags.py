"""What makes a face hard to judge, told from its pixels."""

from typing import NamedTuple

import numpy as np

from faces.common.image_stats import brightness, sharpness

FLAGS = ("too_small", "blurred", "dark", "clipped")


class Bounds(NamedTuple):
    """Beyond which a face is flagged: side in source pixels, brightness in grey levels, a share of the pixels.

    `min_sharpness` is the variance of the Laplacian at 96x96, see `faces.common.image_stats.sharpness`.
    """

    min_side: float
    min_sharpness: float
    min_brightness: float
    max_clipped: float


def quality_flags(images: np.ndarray, sides: np.ndarray, bounds: Bounds) -> dict[str, np.ndarray]:
    """FLAGS, (N,) bool each, of faces (N, 96, 96) uint8.

    `sides` (N,) are those of the faces' squares in their sources, in pixels. Clipped are pixels of 0 or 255.
    """
    extreme = ((images == 0) | (images == 255)).mean(axis=(1, 2))
    return {
        "too_small": sides < bounds.min_side,
        "blurred": sharpness(images) < bounds.min_sharpness,
        "dark": brightness(images) < bounds.min_brightness,
        "clipped": extreme > bounds.max_clipped,
    }
