"""Inference: flip TTA (test-time augmentation) and temperature scaling."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from faces.common.geometry import mirror_images, mirror_points
from faces.models.calibration import apply_temperature

BATCH = 256


class Inference(NamedTuple):
    """Inference settings of a model.

    `flip_tta` averages the outputs for a face and its mirror image (test-time augmentation). `temperature` calibrates
    probabilities, see `faces.models.calibration`; 1 changes nothing.
    """

    flip_tta: bool
    temperature: float = 1.0


def unflip(outputs: np.ndarray, width: int) -> np.ndarray:
    """Outputs for mirrored faces, mapped back: keypoints (N, 15, 2) are mirrored, probabilities (N, classes) unchanged.

    Faces are `width` px wide.
    """
    return mirror_points(outputs, width) if outputs.ndim == 3 else outputs


def average_flipped(no_tta: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """The mean of predictions for faces and of those for their mirror images, after `unflip`."""
    return (no_tta + flipped) / 2


def predict(model, images: np.ndarray, inference: Inference) -> np.ndarray:
    """Keypoints (N, 15, 2) in pixels or probabilities (N, classes) of faces (N, H, W) uint8."""
    return predict_by(partial(predict_no_tta, model), images, inference)


def predict_by(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, inference: Inference) -> np.ndarray:
    """As `predict`, where `run` returns the uncalibrated outputs of a model without flip TTA."""
    outputs = run(images)
    if inference.flip_tta:
        outputs = average_flipped(outputs, unflip(run(mirror_images(images)), images.shape[2]))
    return calibrate(outputs, inference.temperature)


def calibrate(outputs: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, classes) at a temperature. Keypoints have the temperature 1 and stay unchanged."""
    return outputs if temperature == 1 else apply_temperature(outputs, temperature)


def predict_no_tta(model, images: np.ndarray) -> np.ndarray:
    """Uncalibrated outputs of a Keras model without flip TTA, in batches."""
    return model.predict(images, batch_size=BATCH, verbose=0)


def predict_flipped(model, images: np.ndarray) -> np.ndarray:
    """Uncalibrated outputs of a Keras model for the mirrored faces, mapped back by `unflip`."""
    return unflip(predict_no_tta(model, mirror_images(images)), images.shape[2])
