"""What a camera, a codec or a crowd does to faces: each corruption at three strengths, drawn from a seed.

After Hendrycks & Dietterich 2019, Benchmarking Neural Network Robustness to Common Corruptions. Images are (N, H, W)
uint8 and stay so; points (N, 15, 2) are in their pixels, NaN = unlabelled. Lengths are shares of the image's side, so
that faces of 48 and of 96 pixels suffer alike.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np


class Corruption(NamedTuple):
    """`apply(images, strength, seed)` gives the corrupted images; `move` takes points (N, 15, 2) along."""

    name: str
    unit: str
    strengths: tuple[float, float, float]
    apply: Callable[[np.ndarray, float, int], np.ndarray]
    move: Callable[[np.ndarray, float, int, int], np.ndarray]


def _each(change: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.stack([change(np.ascontiguousarray(image)) for image in images]) if len(images) else images.copy()


def blurred(images: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """Gaussian blur, `sigma` a share of the side."""
    width = sigma * images.shape[2]
    return _each(lambda image: cv2.GaussianBlur(image, (0, 0), width), images)


def noisy(images: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    """Gaussian noise, `deviation` in grey levels; the same pattern at every strength."""
    pattern = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(np.rint(images + np.float32(deviation) * pattern), 0, 255).astype(np.uint8)


def compressed(images: np.ndarray, quality: float, seed: int = 0) -> np.ndarray:
    """Through JPEG of this quality, 1..100."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]

    def through(image: np.ndarray) -> np.ndarray:
        decoded = cv2.imdecode(cv2.imencode(".jpg", image, flags)[1], cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        return decoded

    return _each(through, images)


def _signs(count: int, seed: int) -> np.ndarray:
    """Each face goes one way or the other, (count,) of -1 or 1: the same way at every strength."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], count)


def rotated(images: np.ndarray, degrees: float, seed: int = 0) -> np.ndarray:
    """About the middle of the image, to a side drawn for each face; the border's pixels fill the corners."""
    turns = [_turn(images.shape[2], degrees * sign) for sign in _signs(len(images), seed)]
    size = (images.shape[2], images.shape[1])
    turned = [
        cv2.warpAffine(np.ascontiguousarray(image), turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for image, turn in zip(images, turns, strict=True)
    ]
    return np.stack(turned) if turned else images.copy()


def rotated_points(points: np.ndarray, degrees: float, seed: int, side: int) -> np.ndarray:
    """Where `rotated` takes the points of square faces; one that leaves the image keeps its place outside."""
    turns = np.array([_turn(side, degrees * sign) for sign in _signs(len(points), seed)]).reshape(-1, 2, 3)
    moved = np.einsum("nij,nkj->nki", turns[:, :, :2], points) + turns[:, None, :, 2]
    return moved.astype(points.dtype)


def _turn(side: int, degrees: float) -> np.ndarray:
    return cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1.0)


def closer(images: np.ndarray, factor: float, seed: int = 0) -> np.ndarray:
    """The middle of the image, `factor` times as large: what a data set of tighter crops shows of the same face."""
    size = (images.shape[2], images.shape[1])
    zoom = _zoom(images.shape[2], factor)
    return _each(lambda image: cv2.warpAffine(image, zoom, size, flags=cv2.INTER_LINEAR), images)


def closer_points(points: np.ndarray, factor: float, seed: int, side: int) -> np.ndarray:
    """Where `closer` takes the points; NaN for one that leaves the image, which no network can be asked for."""
    moved = _zoom(side, factor)[:, :2].diagonal() * points + _zoom(side, factor)[:, 2]
    inside = ((moved >= -0.5) & (moved <= side - 0.5)).all(axis=2, keepdims=True)
    return np.where(inside, moved, np.nan).astype(points.dtype)


def _zoom(side: int, factor: float) -> np.ndarray:
    return cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), 0.0, factor)


def occluded(images: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """A square, `share` of the side wide, of the face's own mean grey, hides a place drawn for each face."""
    height, width = images.shape[1:]
    side, changed = round(share * width), images.copy()
    places = np.random.default_rng(seed).uniform(size=(len(images), 2))
    corners = np.rint(places * [height - side, width - side]).astype(int)
    for image, (top, left) in zip(changed, corners, strict=True):
        image[top : top + side, left : left + side] = round(image.mean())
    return changed


def gamma_changed(images: np.ndarray, gamma: float, seed: int = 0) -> np.ndarray:
    """255 (v / 255) ** g: g is `gamma`, which darkens, for some faces, and 1 / `gamma`, which lightens, for others."""
    exponents = gamma ** _signs(len(images), seed)
    tables = np.rint(255 * (np.arange(256) / 255) ** exponents[:, None]).astype(np.uint8)
    return tables[np.arange(len(images))[:, None, None], images]


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
"""From mild to strong; at the strongest a person still reads most of the faces."""
