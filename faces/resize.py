"""Faces and points at another size. Pixel centres are whole numbers, so a point moves with its pixel's middle."""

import cv2
import numpy as np


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """(N, H, W) uint8 as (N, size, size) uint8: linear when enlarging, area means when reducing."""
    if images.shape[1:] == (size, size):
        return images
    how = cv2.INTER_AREA if size < images.shape[1] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (size, size), interpolation=how) for image in images])


def resize_points(points: np.ndarray, old: int, new: int) -> np.ndarray:
    """(N, 15, 2) in pixels of a square image of side `old`, in pixels of the same image at side `new`."""
    return (points + 0.5) * (new / old) - 0.5
