"""Averages what a network says of a face and of its mirror image (test-time augmentation)."""

import numpy as np

from faces.augment import mirror_points


def mirrored_back(of_mirrored: np.ndarray, width: int) -> np.ndarray:
    """Predictions for mirrored faces, as of the faces themselves: points (N, 15, 2) turn back, probabilities stay.

    Faces are `width` px wide; probabilities are (N, classes).
    """
    return mirror_points(of_mirrored, width) if of_mirrored.ndim == 3 else of_mirrored


def averaged(plain: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """The mean of predictions for faces and for their mirror images, these turned back by `mirrored_back`."""
    return (plain + mirrored) / 2
