"""Temperature scaling: one number that makes confidence mean what it says, and never changes the class that is chosen.

Guo et al. 2017, On Calibration of Modern Neural Networks. Probabilities are (N, classes), labels (N,) class numbers.
Biases beside it do change classes: Alexandari et al. 2020, Maximum Likelihood with Bias-Corrected Calibration.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

LOG_BOUNDS = (np.log(0.02), np.log(50.0))
"""Between these, natural logarithms, a temperature is sought: few faces, all of them right, would ask for 0."""


class Reliability(NamedTuple):
    """Per bin of equal width, (bins,): how many faces, their mean confidence and accuracy; NaN where a bin is empty."""

    faces: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def _logits(probabilities: np.ndarray) -> np.ndarray:
    # In single precision a sure network says exactly 0; no probability is taken to be less than that type can hold.
    return np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny))


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T), float64: over 1 it takes confidence away, under 1 it adds some, 1 / T undoes T."""
    return softmax(_logits(probabilities) / temperature, axis=1)


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature over 0 that minimises the log loss of `with_temperature`; fit it on validation faces only."""
    logits, own = _logits(probabilities), (np.arange(len(labels)), labels)

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[own].mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_BOUNDS, method="bounded", options={"xatol": 1e-6}).x))


def fit_biases(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """What to add to the logits, (classes,) summing to 0, so that with a temperature after it the log loss is least.

    Fit it on validation faces only: their shares of the classes are what the probabilities then answer to. A normal
    prior of deviation 1 keeps it small where there are few faces.
    """
    logits, own = _logits(probabilities), (np.arange(len(labels)), labels)

    def loss(sharpness_and_biases: np.ndarray) -> float:
        sharpness, biases = sharpness_and_biases[0], sharpness_and_biases[1:]
        likelihood = log_softmax(sharpness * (logits + biases), axis=1)[own].mean()
        return float(np.square(biases).sum() / 2 / len(labels) - likelihood)

    start = [1.0, *[0.0] * logits.shape[1]]
    bounds = [tuple(np.exp(LOG_BOUNDS)), *[(None, None)] * logits.shape[1]]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x[1:]
    return found - found.mean()


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> Reliability:
    """How right the network is where it is so confident; the bins are those of `expected_calibration_error`."""
    confidence = probabilities.max(axis=1)
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    right = np.bincount(index, probabilities.argmax(axis=1) == labels, minlength=bins)
    per_face = np.where(count > 0, count, np.nan)
    return Reliability(count, np.bincount(index, confidence, minlength=bins) / per_face, right / per_face)
