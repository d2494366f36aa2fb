"""The metrics of `faces.evaluation.metrics` under many sample weights at once, for intervals and comparisons.

Each function returns a measure, which maps sample weights (B, N) to the metrics, (B,) or (B, K) each.
"""

import numpy as np

from faces.evaluation.bootstrap import Measure
from faces.evaluation.metrics import FAILURE, face_nme
from faces.evaluation.selective import sort_by_confidence


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Numerator over denominator, NaN where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    ratio: np.ndarray = np.divide(numerator, denominator, out=out, where=denominator > 0)
    return ratio


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted means (B,) or (B, K) of values (N,) or (N, K), over those that are not NaN."""
    known = np.isfinite(values)
    return _ratio(weights @ np.where(known, values, 0), weights @ known.astype(float))


def _class_counts(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One-hot rows (N, classes): the labels, the predicted classes, and both at once."""
    truth, predicted = (np.eye(probabilities.shape[1])[each] for each in (labels, probabilities.argmax(axis=1)))
    return truth, predicted, truth * predicted


def class_measure(labels: np.ndarray, probabilities: np.ndarray) -> Measure:
    """Precision, recall and F1 of each class, (B, classes); NaN where undefined."""
    counts = _class_counts(labels, probabilities)

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        truth, predicted, both = (weights @ each for each in counts)
        f1 = _ratio(2 * both, truth + predicted)
        return {"precision": _ratio(both, predicted), "recall": _ratio(both, truth), "f1": f1}

    return measure


def emotion_measure(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> Measure:
    """Accuracy, balanced accuracy, macro-F1, log loss, ECE and AURC of labels (N,), probabilities (N, classes).

    The ECE of a resample is biased upwards: its gaps have no sign, so random gaps inside bins add up.
    """
    probabilities = np.asarray(probabilities, np.float64)
    each_class, order = class_measure(labels, probabilities), sort_by_confidence(labels, probabilities)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    floor = np.finfo(np.float64).eps  # as scikit-learn's log_loss
    losses = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], floor, 1 - floor))
    in_bin = np.eye(bins)[np.minimum((confidence * bins).astype(int), bins - 1)]

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        classes, total = each_class(weights), weights.sum(axis=1)
        return {
            "accuracy": _mean(weights, correct.astype(float)),
            "balanced_accuracy": _mean_of_classes(classes["recall"]),
            "macro_f1": _mean_of_classes(classes["f1"]),
            "log_loss": _mean(weights, losses),
            "ece": _ratio(np.abs(weights @ (in_bin * (correct - confidence)[:, None])).sum(axis=1), total),
            "aurc": _aurc(weights[:, order[0]], order[1]),
        }

    return measure


def _mean_of_classes(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


def _aurc(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """`weights` (B, N) and `wrong` (N,) in order of decreasing confidence."""
    risks = _ratio((weights * wrong).cumsum(axis=1), weights.cumsum(axis=1))
    return _ratio((weights * np.nan_to_num(risks)).sum(axis=1), weights.sum(axis=1))


def keypoint_measure(points_true: np.ndarray, points_predicted: np.ndarray) -> Measure:
    """NME, RMSE in pixels, failure rate and area under the CED curve of points (N, 15, 2), NaN = unlabelled."""
    each = face_nme(points_true, points_predicted)
    failed = np.where(np.isfinite(each), each > FAILURE, np.nan)
    squared = (points_predicted - points_true).astype(np.float64) ** 2
    labelled = np.isfinite(squared)
    sums, counts = np.where(labelled, squared, 0).sum(axis=(1, 2)), labelled.sum(axis=(1, 2)).astype(float)

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "nme": _mean(weights, each),
            "rmse_px": np.sqrt(_ratio(weights @ sums, weights @ counts)),
            "failure_rate_at_010": _mean(weights, failed),
            "ced_auc_at_010": _mean(weights, np.maximum(1 - each / FAILURE, 0)),
        }

    return measure


def point_measure(points_true: np.ndarray, points_predicted: np.ndarray) -> Measure:
    """Mean error of each keypoint in pixels, `error_px` (B, 15), over the images (N, 15, 2) where it is labelled."""
    errors = np.linalg.norm(points_predicted - points_true, axis=2)
    return lambda weights: {"error_px": _mean(weights, errors)}


def difference(one: Measure, other: Measure) -> Measure:
    """The first measure minus the second, resample by resample: both get the same weights."""

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        first, second = one(weights), other(weights)
        return {name: first[name] - second[name] for name in first}

    return measure
