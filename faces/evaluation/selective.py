"""Selective classification: the error rate if a model rejects uncertain predictions (El-Yaniv & Wiener 2010)."""

import numpy as np


def sort_by_confidence(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images in order of decreasing confidence, (N,) indices, and the error of each, (N,) in 0..1.

    Images of equal confidence get their mean error, so the order of the rows, often by class, has no effect.
    """
    confidence = probabilities.max(axis=1)
    wrong = (probabilities.argmax(axis=1) != labels).astype(float)
    _, tie = np.unique(confidence, return_inverse=True)
    tie_error = np.bincount(tie, wrong) / np.bincount(tie)
    order = np.argsort(-confidence, kind="stable")
    return order, tie_error[tie][order]


def risk_coverage(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the coverage, (N,) from 1/N to 1, and the risk (error rate) at each coverage, (N,).

    `labels` (N,) are class numbers, `probabilities` (N, classes). Coverage is the fraction of predictions that are
    accepted: those with the highest confidence.
    """
    wrong = sort_by_confidence(labels, probabilities)[1]
    accepted = np.arange(1, len(wrong) + 1)
    return accepted / len(wrong), wrong.cumsum() / accepted


def aurc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages (Geifman et al. 2019). 0 is perfect."""
    return float(risk_coverage(labels, probabilities)[1].mean())
