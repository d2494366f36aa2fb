"""The metrics of `faces.evaluation.metrics` on many weightings of the faces at once, for intervals and comparisons.

Each function returns a measure: from how often each face counts, (B, N), to the metrics, (B,) or (B, K) each.
"""

import numpy as np

from faces.evaluation.bootstrap import Measure
from faces.evaluation.metrics import FAILURE, face_nme
from faces.evaluation.selective import surest_first


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part by whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted means (B,) or (B, K) of values (N,) or (N, K), over those that are not NaN."""
    known = np.isfinite(values)
    return _share(weights @ np.where(known, values, 0), weights @ known.astype(float))


def _class_counts(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One-hot rows (N, classes): faces that are of a class, that are said to be, and both."""
    truth, said = (np.eye(probabilities.shape[1])[each] for each in (labels, probabilities.argmax(axis=1)))
    return truth, said, truth * said


def class_measure(labels: np.ndarray, probabilities: np.ndarray) -> Measure:
    """Precision, recall and F1 of each class, (B, classes); NaN where there is nothing to take a share of."""
    counts = _class_counts(labels, probabilities)

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        truth, said, both = (weights @ each for each in counts)
        return {"precision": _share(both, said), "recall": _share(both, truth), "f1": _share(2 * both, truth + said)}

    return measure


def emotion_measure(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> Measure:
    """Accuracy, balanced accuracy, macro-F1, log loss, ECE and AURC of labels (N,), probabilities (N, classes).

    Resamples lie above the ECE itself: chance gaps inside bins add up, as its gaps have no sign.
    """
    probabilities = np.asarray(probabilities, np.float64)
    each_class, order = class_measure(labels, probabilities), surest_first(labels, probabilities)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    floor = np.finfo(np.float64).eps  # as scikit-learn's log_loss
    losses = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], floor, 1 - floor))
    in_bin = np.eye(bins)[np.minimum((confidence * bins).astype(int), bins - 1)]

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        classes, faces = each_class(weights), weights.sum(axis=1)
        return {
            "accuracy": _mean(weights, right.astype(float)),
            "balanced_accuracy": _mean_of_classes(classes["recall"]),
            "macro_f1": _mean_of_classes(classes["f1"]),
            "log_loss": _mean(weights, losses),
            "ece": _share(np.abs(weights @ (in_bin * (right - confidence)[:, None])).sum(axis=1), faces),
            "aurc": _aurc(weights[:, order[0]], order[1]),
        }

    return measure


def _mean_of_classes(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return _share(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


def _aurc(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """`weights` (B, N) and `wrong` (N,) from the surest face on."""
    risks = _share((weights * wrong).cumsum(axis=1), weights.cumsum(axis=1))
    return _share((weights * np.nan_to_num(risks)).sum(axis=1), weights.sum(axis=1))


def keypoint_measure(points_true: np.ndarray, points_predicted: np.ndarray) -> Measure:
    """NME, RMSE in pixels, failure rate and area under the error curve of points (N, 15, 2), NaN = unlabelled."""
    each = face_nme(points_true, points_predicted)
    failed = np.where(np.isfinite(each), each > FAILURE, np.nan)
    squared = (points_predicted - points_true).astype(np.float64) ** 2
    labelled = np.isfinite(squared)
    sums, counts = np.where(labelled, squared, 0).sum(axis=(1, 2)), labelled.sum(axis=(1, 2)).astype(float)

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "nme": _mean(weights, each),
            "rmse_px": np.sqrt(_share(weights @ sums, weights @ counts)),
            "failure_rate": _mean(weights, failed),
            "error_curve_auc": _mean(weights, np.maximum(1 - each / FAILURE, 0)),
        }

    return measure


def point_measure(points_true: np.ndarray, points_predicted: np.ndarray) -> Measure:
    """Mean error of each point in pixels, `error_px` (B, 15), over the faces (N, 15, 2) on which it is labelled."""
    errors = np.linalg.norm(points_predicted - points_true, axis=2)
    return lambda weights: {"error_px": _mean(weights, errors)}


def difference(one: Measure, other: Measure) -> Measure:
    """By how much the first measure exceeds the second, draw by draw: the same faces are drawn for both."""

    def measure(weights: np.ndarray) -> dict[str, np.ndarray]:
        first, second = one(weights), other(weights)
        return {name: first[name] - second[name] for name in first}

    return measure
