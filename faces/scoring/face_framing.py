"""Frames detected faces as the models' training crops: square boxes, turned with the face.

A box is left, top and side in pixels, where left and top are the centre of the outermost pixel, and an angle in degrees
by which the square is turned about its centre, clockwise in the picture.
"""

import numpy as np

SIZE = 96
"""Side of the crop that positions below refer to, px."""
CENTRE = (SIZE - 1) / 2
UPRIGHT_DEGREES = 10.0
"""Up to this angle a face is cropped as it stands: the models are trained with faces turned as far."""


def framed(points: np.ndarray, sides: np.ndarray, in_crop: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) of these sides (n,) that have the points (n, 5, 2) of a face, on average, where `in_crop` has them.

    `in_crop` (5, 2) are the mean positions of a detector's points in crops of SIZE. Angles are those of the similarity
    transform with the smallest sum of squared distances, from -180 to 180.
    """
    complex_points, complex_crop = points @ [1, 1j], in_crop @ np.array([1, 1j])
    means, crop_mean = complex_points.mean(axis=1), complex_crop.mean()
    directions = (complex_points - means[:, None]) @ (complex_crop - crop_mean).conj()
    angles = np.angle(directions)
    centres = means + np.exp(1j * angles) * sides / SIZE * ((1 + 1j) * CENTRE - crop_mean)
    corners = np.column_stack([centres.real, centres.imag]) - (sides[:, None] - 1) / 2
    return np.column_stack([corners, sides, np.degrees(angles)])


def spread(points: np.ndarray) -> np.ndarray:
    """How far points (..., k, 2) are from their mean: (...), the root of the sum of the squared distances."""
    distances: np.ndarray = np.linalg.norm(points - points.mean(axis=-2, keepdims=True), axis=(-2, -1))
    return distances


def straightened(boxes: np.ndarray) -> np.ndarray:
    """The boxes (n, 4) with angle 0 where the face is nearly upright, or an angle is not finite."""
    upright = ~(np.abs(boxes[:, 3]) > UPRIGHT_DEGREES)
    return np.column_stack([boxes[:, :3], np.where(upright, 0.0, boxes[:, 3])])


def largest_first(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) and scores (n,) in the order of the boxes' sides."""
    order = np.argsort(-boxes[:, 2], kind="stable")
    return boxes[order], scores[order]
