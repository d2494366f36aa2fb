"""Normalization constants; the models normalize their input with them."""

import numpy as np

BLOCK = 1024


def pixel_statistics(*sets: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation over all pixels of images (N, H, W) uint8, in grey levels; the latter is at least 1.

    Computed from the histogram: exact, and without a float copy of the images, which may be memory-mapped.
    """
    blocks = (images[start : start + BLOCK] for images in sets for start in range(0, len(images), BLOCK))
    counts = sum((np.bincount(block.ravel(), minlength=256) for block in blocks), np.zeros(256, np.int64))
    levels = np.arange(256)
    mean = (counts * levels).sum() / counts.sum()
    variance = (counts * (levels - mean) ** 2).sum() / counts.sum()
    return {"mean": float(mean), "std": float(max(np.sqrt(variance), 1.0))}
