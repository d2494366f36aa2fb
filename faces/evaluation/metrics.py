"""Metrics of predictions. Points are (N, 15, 2) in pixels, NaN = unlabelled; labels are (N,) class numbers."""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

from faces.common.schema import LEFT_EYE, RIGHT_EYE

FAILURE = 0.1
"""NME above which a prediction counts as a failure (Sagonas et al. 2013, 300 Faces in-the-Wild)."""


def face_nme(points_true: np.ndarray, points_predicted: np.ndarray) -> np.ndarray:
    """Mean point error divided by the distance between the eye centres, (N,); NaN where an eye centre is unlabelled."""
    errors = np.linalg.norm(points_predicted - points_true, axis=2)
    eyes = np.linalg.norm(points_true[:, LEFT_EYE] - points_true[:, RIGHT_EYE], axis=1)
    labelled = ~np.isnan(errors)
    mean = np.where(labelled, errors, 0).sum(axis=1) / np.maximum(labelled.sum(axis=1), 1)
    relative_errors: np.ndarray = mean / eyes
    return relative_errors


def nme(points_true: np.ndarray, points_predicted: np.ndarray) -> float:
    """Mean of `face_nme` over the images whose eye centres are labelled; NaN if there is none."""
    each = face_nme(points_true, points_predicted)
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def rmse_px(points_true: np.ndarray, points_predicted: np.ndarray) -> float:
    """Root mean squared error over labelled coordinates, in pixels, as in the Kaggle contest; NaN if there is none."""
    squared = (points_predicted - points_true) ** 2
    return float(np.sqrt(np.nanmean(squared))) if np.isfinite(squared).any() else float("nan")


def failure_rate(points_true: np.ndarray, points_predicted: np.ndarray, threshold: float = FAILURE) -> float:
    """Fraction of images with an NME above `threshold`, of those with labelled eye centres; NaN if there is none."""
    each = face_nme(points_true, points_predicted)
    known = each[np.isfinite(each)]
    return float((known > threshold).mean()) if known.size else float("nan")


def ced_auc(points_true: np.ndarray, points_predicted: np.ndarray, limit: float = FAILURE) -> float:
    """Area under the cumulative error distribution (CED) of the NME from 0 to `limit`, over `limit`; NaN for no image.

    Each image adds the area right of its own NME, so this is the mean of max(0, 1 - NME / limit).
    """
    each = face_nme(points_true, points_predicted)
    known = each[np.isfinite(each)]
    return float(np.maximum(1 - known / limit, 0).mean()) if known.size else float("nan")


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, On Calibration, eq. 3)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(index, correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def keypoint_metrics(points_true: np.ndarray, points_predicted: np.ndarray) -> dict[str, float]:
    """Returns the keypoint metrics by name; NaN where no image can be evaluated."""
    return {
        "nme": nme(points_true, points_predicted),
        "rmse_px": rmse_px(points_true, points_predicted),
        "failure_rate_at_010": failure_rate(points_true, points_predicted),
        "ced_auc_at_010": ced_auc(points_true, points_predicted),
    }


def emotion_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Returns the emotion metrics by name; `probabilities` are (N, classes).

    Balanced accuracy is the mean recall of the classes in `labels`. Macro-F1 ignores classes that are absent from
    `labels` and from the predictions.
    """
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "balanced_accuracy": float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0)),
        "log_loss": float(log_loss(labels, probabilities, labels=range(probabilities.shape[1]))),
        "ece": expected_calibration_error(labels, probabilities),
    }
