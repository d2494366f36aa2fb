"""Inference: flip TTA (test-time augmentation), the choice of classes, and calibration."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faces.common.geometry import mirror_images, mirror_points
from faces.models.calibration import apply_temperature, restrict_classes

if TYPE_CHECKING:
    import keras

BATCH = 256


class Inference(NamedTuple):
    """Inference settings of a model.

    `flip_tta` averages the outputs for a face and its mirror image (test-time augmentation). `class_indices` are the
    outputs that are predicted, in this order; empty for all, and for keypoints. `temperature` and `biases`, one for
    each predicted class, calibrate probabilities, see `faces.models.calibration`; 1 and none change nothing.
    """

    flip_tta: bool
    temperature: float = 1.0
    class_indices: tuple[int, ...] = ()
    biases: tuple[float, ...] = ()


def unflip(outputs: np.ndarray, width: int) -> np.ndarray:
    """Outputs for mirrored faces, mapped back: keypoints (N, 15, 2) are mirrored, probabilities (N, classes) unchanged.

    Faces are `width` px wide.
    """
    return mirror_points(outputs, width) if outputs.ndim == 3 else outputs


def average_flipped(no_tta: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """The mean of predictions for faces and of those for their mirror images, after `unflip`."""
    mean: np.ndarray = (no_tta + flipped) / 2
    return mean


def predict(model: "keras.Model", images: np.ndarray, inference: Inference) -> np.ndarray:
    """Keypoints (N, 15, 2) in pixels or probabilities (N, classes) of faces (N, H, W) uint8."""
    return predict_by(partial(predict_no_tta, model), images, inference)


def predict_by(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, inference: Inference) -> np.ndarray:
    """As `predict`, where `run` returns the outputs of a model without flip TTA, of all classes and uncalibrated."""
    return predict_each(run, images, [inference])[0]


def predict_each(
    run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, inferences: Sequence[Inference]
) -> list[np.ndarray]:
    """As `predict_by` for each of several settings with the same `flip_tta`; the model runs once for all of them."""
    outputs = run(images)
    flipped = unflip(run(mirror_images(images)), images.shape[2]) if inferences[0].flip_tta else None
    return [_calibrated(outputs, flipped, inference) for inference in inferences]


def _calibrated(outputs: np.ndarray, flipped: np.ndarray | None, inference: Inference) -> np.ndarray:
    chosen = choose_classes(outputs, inference)
    if flipped is not None:
        chosen = average_flipped(chosen, choose_classes(flipped, inference))
    return calibrate(chosen, inference)


def choose_classes(outputs: np.ndarray, inference: Inference) -> np.ndarray:
    """Probabilities (N, classes) of the predicted classes alone. Keypoints stay unchanged."""
    indices = inference.class_indices
    return restrict_classes(outputs, indices) if indices and indices != tuple(range(outputs.shape[1])) else outputs


def calibrate(outputs: np.ndarray, inference: Inference) -> np.ndarray:
    """Calibrated probabilities (N, classes) of the predicted classes. Keypoints stay unchanged."""
    if inference.temperature == 1 and not inference.biases:
        return outputs
    return apply_temperature(outputs, inference.temperature, inference.biases or (0.0,))


def predict_no_tta(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Uncalibrated outputs of a Keras model without flip TTA, in batches."""
    outputs: np.ndarray = model.predict(images, batch_size=BATCH, verbose=0)
    return outputs


def predict_flipped(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Uncalibrated outputs of a Keras model for the mirrored faces, mapped back by `unflip`."""
    return unflip(predict_no_tta(model, mirror_images(images)), images.shape[2])
