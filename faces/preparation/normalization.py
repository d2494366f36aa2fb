"""Normalization constants; the models normalize their input with them."""

import numpy as np


def pixel_statistics(images: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation over all pixels of (N, H, W) uint8, in grey levels; the latter is at least 1.

    Computed from the histogram: exact, and without float copies of the images.
    """
    counts = np.bincount(images.ravel(), minlength=256)
    levels = np.arange(256)
    mean = (counts * levels).sum() / counts.sum()
    variance = (counts * (levels - mean) ** 2).sum() / counts.sum()
    return {"mean": float(mean), "std": float(max(np.sqrt(variance), 1.0))}
