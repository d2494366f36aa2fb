"""Averages what a network says of a face and of its mirror image (test-time augmentation)."""

import numpy as np

from faces.augment import mirror_images, mirror_points

BATCH = 256


def mirrored_back(of_mirrored: np.ndarray, width: int) -> np.ndarray:
    """Predictions for mirrored faces, as of the faces themselves: points (N, 15, 2) turn back, probabilities stay.

    Faces are `width` px wide; probabilities are (N, classes).
    """
    return mirror_points(of_mirrored, width) if of_mirrored.ndim == 3 else of_mirrored


def averaged(plain: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """The mean of predictions for faces and for their mirror images, these turned back by `mirrored_back`."""
    return (plain + mirrored) / 2


def predictions_of(network, images: np.ndarray, flip_averaging: bool) -> np.ndarray:
    """Points (N, 15, 2) in pixels or probabilities (N, classes) of faces (N, H, W), flip-averaged or not."""
    plain = plain_predictions(network, images)
    return averaged(plain, mirrored_predictions(network, images)) if flip_averaging else plain


def plain_predictions(network, images: np.ndarray) -> np.ndarray:
    """Of a Keras model, in batches."""
    return network.predict(images, batch_size=BATCH, verbose=0)


def mirrored_predictions(network, images: np.ndarray) -> np.ndarray:
    """Those for the mirrored faces, turned back."""
    return mirrored_back(plain_predictions(network, mirror_images(images)), images.shape[2])
