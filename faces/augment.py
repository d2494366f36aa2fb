"""Copies of training faces: mirrored, with left and right swapped, and brightened as in the original project."""

import numpy as np

from faces.labels import MIRROR_ORDER


def mirror_images(images: np.ndarray) -> np.ndarray:
    """(N, H, W), left and right exchanged."""
    return images[:, :, ::-1]


def mirror_points(points: np.ndarray, width: int) -> np.ndarray:
    """Points of the mirrored faces, (N, 15, 2) in pixels, NaN = unlabelled.

    The left eye becomes the right one: x turns over about the middle of the pixel grid, and names change sides.
    """
    mirrored = points[:, MIRROR_ORDER].copy()
    mirrored[:, :, 0] = width - 1 - mirrored[:, :, 0]
    return mirrored


def brighten(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """(N, H, W) uint8, each multiplied by its factor (N,) and clipped to 0..255."""
    return np.clip(images * factors.astype(np.float32)[:, None, None], 0, 255).astype(np.uint8)
