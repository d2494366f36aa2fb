"""Resized and mirrored images and keypoints. Pixel centres are whole numbers: a point moves with its pixel's middle."""

import cv2
import numpy as np

from faces.common.schema import MIRROR_ORDER


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """(N, H, W) uint8 as (N, size, size) uint8: linear when enlarging, area means when reducing."""
    if images.shape[1:] == (size, size):
        return images
    how = cv2.INTER_AREA if size < images.shape[1] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (size, size), interpolation=how) for image in images])


def resize_points(points: np.ndarray, old: int, new: int) -> np.ndarray:
    """(N, 15, 2) in pixels of a square image of side `old`, in pixels of the same image at side `new`."""
    return (points + 0.5) * (new / old) - 0.5


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
