"""Image statistics, one value per image."""

import cv2
import numpy as np


def brightness(images: np.ndarray) -> np.ndarray:
    """Mean grey level (N,) of each image (N, H, W) uint8."""
    means: np.ndarray = images.mean(axis=(1, 2))
    return means


def sharpness(images: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian (N,) of images (N, H, W) uint8, in grey levels squared (Pech-Pacheco et al. 2000)."""
    return np.array([cv2.Laplacian(np.ascontiguousarray(image), cv2.CV_64F).var() for image in images])
