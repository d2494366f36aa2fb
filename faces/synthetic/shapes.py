"""Curves and polygons in face units, from which the features are built."""

from functools import cache

import numpy as np

TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)


def on_face(x: np.ndarray | float, y: np.ndarray | float, lift: float = 0.0) -> np.ndarray:
    """Points (n, 3) on the curved front of the head, or `lift` in front of it; depth 0 between the eyes."""
    bow = np.maximum(1 - (x / 1.35) ** 2 - ((y - 0.15) / 2.2) ** 2, 0.02)
    points = np.empty((*np.shape(bow), 3))
    points[..., 0], points[..., 1], points[..., 2] = x, y, 0.9 * np.sqrt(bow) + (lift - 0.9)
    return points


def blob(x: float, y: float, radius_x: float, radius_y: float, lift: float = 0.0) -> np.ndarray:
    """An ellipse (24, 3) on the face."""
    return on_face(x + radius_x * CIRCLE[:, 0], y + radius_y * CIRCLE[:, 1], lift)


def ribbon(curve: np.ndarray, half_widths: np.ndarray | float) -> np.ndarray:
    """Polygon (2n, d) around a curve (n, d), d 2 or 3, of the given half width at each point."""
    along = np.empty((len(curve), 2))
    along[1:-1] = curve[2:, :2] - curve[:-2, :2]
    along[0], along[-1] = curve[1, :2] - curve[0, :2], curve[-1, :2] - curve[-2, :2]
    reach = half_widths / np.sqrt(along[:, 0] ** 2 + along[:, 1] ** 2)
    offset = np.zeros_like(curve)
    offset[:, 0], offset[:, 1] = -along[:, 1] * reach, along[:, 0] * reach
    return np.concatenate([curve + offset, (curve - offset)[::-1]])


@cache
def taper(count: int, half_width: float) -> np.ndarray:
    """Half widths (count,) of a stroke that thins out towards both ends."""
    return half_width * np.sin(np.linspace(0.25, np.pi - 0.25, count))
