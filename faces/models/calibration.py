"""Calibration: temperature scaling, bias correction and the reliability diagram.

Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks) never changes the predicted class. Bias
correction can (Alexandari et al. 2020, Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label
Shift Adaptation). Probabilities are (N, classes), labels (N,) class numbers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax

LOG_BOUNDS = (np.log(0.02), np.log(50.0))
"""Bounds of the temperature, as natural logarithms: without them, few faces, all correct, would give 0."""


class Reliability(NamedTuple):
    """Per bin of equal width, (bins,): number of faces, mean confidence and accuracy; NaN where a bin is empty."""

    faces: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def _logits(probabilities: np.ndarray) -> np.ndarray:
    # In single precision a confident model outputs exactly 0; the smallest float32 is the lower bound instead.
    return np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny))


def restrict_classes(probabilities: np.ndarray, class_indices: Sequence[int]) -> np.ndarray:
    """Probabilities (N, len(class_indices)), given that a face is of one of these classes, in this order; float64."""
    restricted: np.ndarray = softmax(_logits(probabilities)[:, list(class_indices)], axis=1)
    return restricted


def apply_temperature(
    probabilities: np.ndarray, temperature: float, biases: Sequence[float] | np.ndarray = (0.0,)
) -> np.ndarray:
    """softmax((log p + biases) / T), float64: T > 1 lowers the confidence, T < 1 raises it, and 1 / T inverts T."""
    calibrated: np.ndarray = softmax((_logits(probabilities) + np.asarray(biases)) / temperature, axis=1)
    return calibrated


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature > 0 that minimizes the log loss of `apply_temperature`; fit it on validation faces only."""
    # Scoring applies temperatures and fits none; the import takes a third of a second.
    from scipy.optimize import minimize_scalar

    logits, at_label = _logits(probabilities), (np.arange(len(labels)), labels)

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[at_label].mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_BOUNDS, method="bounded", options={"xatol": 1e-6}).x))


def fit_bias_correction(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Biases to add to the logits, (classes,) summing to 0, that minimize the log loss together with a temperature.

    Fit them on validation faces only: the corrected probabilities assume their class frequencies. A normal prior of
    standard deviation 1 keeps the biases small where there are few faces.
    """
    from scipy.optimize import minimize

    logits, at_label = _logits(probabilities), (np.arange(len(labels)), labels)

    def loss(parameters: np.ndarray) -> float:
        inverse_temperature, biases = parameters[0], parameters[1:]
        likelihood = log_softmax(inverse_temperature * (logits + biases), axis=1)[at_label].mean()
        return float(np.square(biases).sum() / 2 / len(labels) - likelihood)

    start = [1.0, *[0.0] * logits.shape[1]]
    bounds = [tuple(np.exp(LOG_BOUNDS)), *[(None, None)] * logits.shape[1]]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x[1:]
    centred: np.ndarray = found - found.mean()
    return centred


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> Reliability:
    """Accuracy by confidence; the bins are those of `expected_calibration_error`."""
    confidence = probabilities.max(axis=1)
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    correct = np.bincount(index, probabilities.argmax(axis=1) == labels, minlength=bins)
    divisor = np.where(count > 0, count, np.nan)
    return Reliability(count, np.bincount(index, confidence, minlength=bins) / divisor, correct / divisor)
