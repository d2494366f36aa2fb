"""From a network to predictions: averaged over a face and its mirror image, and tempered, where that is asked for."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from faces.common.geometry import mirror_images, mirror_points
from faces.models.calibration import with_temperature

BATCH = 256


class Inference(NamedTuple):
    """How a network's outputs become predictions.

    `flip_averaging` takes the mean over a face and its mirror image (test-time augmentation); `temperature` is for
    probabilities, see `faces.models.calibration`; 1 leaves them as they are.
    """

    flip_averaging: bool
    temperature: float = 1.0


def mirrored_back(of_mirrored: np.ndarray, width: int) -> np.ndarray:
    """Predictions for mirrored faces, as of the faces themselves: points (N, 15, 2) turn back, probabilities stay.

    Faces are `width` px wide; probabilities are (N, classes).
    """
    return mirror_points(of_mirrored, width) if of_mirrored.ndim == 3 else of_mirrored


def averaged(plain: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """The mean of predictions for faces and for their mirror images, these turned back by `mirrored_back`."""
    return (plain + mirrored) / 2


def predictions_of(network, images: np.ndarray, how: Inference) -> np.ndarray:
    """Points (N, 15, 2) in pixels or probabilities (N, classes) of faces (N, H, W)."""
    return combined(partial(plain_predictions, network), images, how)


def combined(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, how: Inference) -> np.ndarray:
    """Predictions for faces (N, H, W), where `run` gives a network's plain outputs for faces."""
    outputs = run(images)
    if how.flip_averaging:
        outputs = averaged(outputs, mirrored_back(run(mirror_images(images)), images.shape[2]))
    return tempered(outputs, how.temperature)


def tempered(outputs: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at a temperature; points, whose temperature is 1, as they are."""
    return outputs if temperature == 1 else with_temperature(outputs, temperature)


def plain_predictions(network, images: np.ndarray) -> np.ndarray:
    """Of a Keras model, in batches."""
    return network.predict(images, batch_size=BATCH, verbose=0)


def mirrored_predictions(network, images: np.ndarray) -> np.ndarray:
    """Those for the mirrored faces, turned back."""
    return mirrored_back(plain_predictions(network, mirror_images(images)), images.shape[2])
