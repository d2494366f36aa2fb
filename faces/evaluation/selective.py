"""What a network gains by not answering where it is unsure (El-Yaniv & Wiener 2010, selective classification)."""

import numpy as np


def surest_first(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The faces from the surest on, (N,) numbers, and how wrong each of those is, (N,) in 0..1.

    Faces of equal confidence share their errors, so that the order of the rows, often by class, has no say.
    """
    confidence = probabilities.max(axis=1)
    wrong = (probabilities.argmax(axis=1) != labels).astype(float)
    _, tie = np.unique(confidence, return_inverse=True)
    shared = np.bincount(tie, wrong) / np.bincount(tie)
    order = np.argsort(-confidence, kind="stable")
    return order, shared[tie][order]


def risk_coverage(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of faces answered, (N,) from 1/N to 1, and share of those answers that are wrong, (N,).

    `labels` (N,) are class numbers, `probabilities` (N, classes); the faces answered are the surest ones.
    """
    wrong = surest_first(labels, probabilities)[1]
    answered = np.arange(1, len(wrong) + 1)
    return answered / len(wrong), wrong.cumsum() / answered


def aurc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages (Geifman et al. 2019). 0 is perfect."""
    return float(risk_coverage(labels, probabilities)[1].mean())
