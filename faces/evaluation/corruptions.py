"""Corruptions of face images as cameras and codecs cause them: each at three strengths, with a seed.

After Hendrycks & Dietterich 2019, Benchmarking Neural Network Robustness to Common Corruptions. Images are (N, H, W)
uint8, as input and as output; points (N, 15, 2) are in their pixels, NaN = unlabelled. Lengths are fractions of the
image's side, so images of 48 and of 96 pixels are corrupted equally.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np


class Corruption(NamedTuple):
    """`apply(images, strength, seed)` returns corrupted images; `move(points, strength, seed, side)` their points."""

    name: str
    unit: str
    strengths: tuple[float, float, float]
    apply: Callable[[np.ndarray, float, int], np.ndarray]
    move: Callable[[np.ndarray, float, int, int], np.ndarray]


def _each(change: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.stack([change(np.ascontiguousarray(image)) for image in images]) if len(images) else images.copy()


def blurred(images: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """Gaussian blur; `sigma` is a fraction of the side."""
    width = sigma * images.shape[2]
    return _each(lambda image: cv2.GaussianBlur(image, (0, 0), width), images)


def noisy(images: np.ndarray, std: float, seed: int = 0) -> np.ndarray:
    """Gaussian noise with the standard deviation `std` in grey levels; the same pattern at every strength."""
    pattern = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    noised: np.ndarray = np.clip(np.rint(images + np.float32(std) * pattern), 0, 255).astype(np.uint8)
    return noised


def compressed(images: np.ndarray, quality: float, seed: int = 0) -> np.ndarray:
    """JPEG compression with this quality, 1..100."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]

    def recompress(image: np.ndarray) -> np.ndarray:
        decoded: np.ndarray | None = cv2.imdecode(cv2.imencode(".jpg", image, flags)[1], cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        return decoded

    return _each(recompress, images)


def _signs(count: int, seed: int) -> np.ndarray:
    """Returns a random sign for each image, (count,) of -1 or 1: the same at every strength."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], count)


def rotated(images: np.ndarray, degrees: float, seed: int = 0) -> np.ndarray:
    """Rotation about the image's centre, in a random direction for each image; border pixels fill the corners."""
    rotations = [_rotation(images.shape[2], degrees * sign) for sign in _signs(len(images), seed)]
    size = (images.shape[2], images.shape[1])
    border = cv2.BORDER_REPLICATE
    rotated_images = [
        cv2.warpAffine(np.ascontiguousarray(image), rotation, size, flags=cv2.INTER_LINEAR, borderMode=border)
        for image, rotation in zip(images, rotations, strict=True)
    ]
    return np.stack(rotated_images) if rotated_images else images.copy()


def rotated_points(points: np.ndarray, degrees: float, seed: int, side: int) -> np.ndarray:
    """Points of square images after `rotated`; a point that leaves the image keeps its position outside."""
    rotations = np.array([_rotation(side, degrees * sign) for sign in _signs(len(points), seed)]).reshape(-1, 2, 3)
    moved = np.einsum("nij,nkj->nki", rotations[:, :, :2], points) + rotations[:, None, :, 2]
    rounded: np.ndarray = moved.astype(points.dtype)
    return rounded


def _rotation(side: int, degrees: float) -> np.ndarray:
    rotation: np.ndarray = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1.0)
    return rotation


def closer(images: np.ndarray, factor: float, seed: int = 0) -> np.ndarray:
    """The centre of the image, enlarged by `factor`: the same face in a data set of tighter crops."""
    size = (images.shape[2], images.shape[1])
    zoom = _zoom(images.shape[2], factor)
    return _each(lambda image: cv2.warpAffine(image, zoom, size, flags=cv2.INTER_LINEAR), images)


def closer_points(points: np.ndarray, factor: float, seed: int, side: int) -> np.ndarray:
    """Points after `closer`; NaN for a point that leaves the image, because no model can predict it."""
    moved = _zoom(side, factor)[:, :2].diagonal() * points + _zoom(side, factor)[:, 2]
    inside = ((moved >= -0.5) & (moved <= side - 0.5)).all(axis=2, keepdims=True)
    return np.where(inside, moved, np.nan).astype(points.dtype)


def _zoom(side: int, factor: float) -> np.ndarray:
    zoom: np.ndarray = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), 0.0, factor)
    return zoom


def occluded(images: np.ndarray, fraction: float, seed: int = 0) -> np.ndarray:
    """A square in the image's mean grey at a random position; `fraction` is its side over the image's."""
    height, width = images.shape[1:]
    side, changed = round(fraction * width), images.copy()
    positions = np.random.default_rng(seed).uniform(size=(len(images), 2))
    corners = np.rint(positions * [height - side, width - side]).astype(int)
    for image, (top, left) in zip(changed, corners, strict=True):
        image[top : top + side, left : left + side] = round(image.mean())
    return changed


def gamma_changed(images: np.ndarray, gamma: float, seed: int = 0) -> np.ndarray:
    """255 (v / 255) ** g; g is randomly `gamma`, which darkens, or 1 / `gamma`, which lightens, for each image."""
    exponents = gamma ** _signs(len(images), seed)
    tables = np.rint(255 * (np.arange(256) / 255) ** exponents[:, None]).astype(np.uint8)
    changed: np.ndarray = tables[np.arange(len(images))[:, None, None], images]
    return changed


def _stay(points: np.ndarray, strength: float, seed: int, side: int) -> np.ndarray:
    return points.copy()


CORRUPTIONS = (
    Corruption("blur", "of the side", (0.01, 0.02, 0.03), blurred, _stay),
    Corruption("noise", "grey levels", (5, 10, 20), noisy, _stay),
    Corruption("JPEG", "quality", (40, 20, 8), compressed, _stay),
    Corruption("rotation", "degrees", (5, 10, 20), rotated, rotated_points),
    Corruption("occlusion", "of the side", (0.2, 0.3, 0.4), occluded, _stay),
    Corruption("closer", "times", (1.15, 1.3, 1.45), closer, closer_points),
    Corruption("gamma", "exponent, or its inverse", (1.5, 2.0, 3.0), gamma_changed, _stay),
)
"""Strengths from mild to strong; at the strongest, a person still recognizes most of the emotions."""
