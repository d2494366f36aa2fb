"""Resize and mirror images and keypoints. Pixel centres have integer coordinates; points move with them."""

import cv2
import numpy as np

from faces.common.schema import MIRROR_ORDER


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """Resize (N, H, W) uint8 to (N, size, size) uint8: bilinear when enlarging, area average when reducing."""
    if images.shape[1:] == (size, size):
        return images
    interpolation = cv2.INTER_AREA if size < images.shape[1] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (size, size), interpolation=interpolation) for image in images])


def mirror_images(images: np.ndarray) -> np.ndarray:
    """Flip images (N, H, W) horizontally."""
    return images[:, :, ::-1]


def mirror_points(points: np.ndarray, width: int) -> np.ndarray:
    """Points (N, 15, 2) of the horizontally flipped images, in pixels; NaN where unlabelled.

    x is reflected about the middle of the pixel grid. Left and right names are exchanged.
    """
    mirrored = points[:, MIRROR_ORDER].copy()
    mirrored[:, :, 0] = width - 1 - mirrored[:, :, 0]
    return mirrored
