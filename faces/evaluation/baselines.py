"""Baselines for both models: the mean face, the majority class, and a linear model on the pixels."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

STRENGTHS = (1e-4, 1e-3, 1e-2)
"""Values of scikit-learn's `C`, the inverse of the regularization strength."""


def mean_face(points: np.ndarray) -> np.ndarray:
    """Returns the (15, 2) mean of the labelled training points (N, 15, 2), NaN = unlabelled; (0, 0) if none is."""
    labelled = ~np.isnan(points)
    mean: np.ndarray = np.where(labelled, points, 0).sum(axis=0) / np.maximum(labelled.sum(axis=0), 1)
    return mean


def majority_class(labels: np.ndarray) -> int:
    """Returns the most frequent training label."""
    return int(np.bincount(labels).argmax())


def pixel_logistic(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], test: np.ndarray
) -> np.ndarray:
    """Returns labels (N,) of the `test` images, predicted by logistic regression on the pixels.

    Images are (N, H, W) uint8. Of three regularization strengths, the one with the best validation accuracy is used.
    This baseline has no spatial reasoning.
    """

    def flat(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32)

    def fitted(strength: float) -> Pipeline:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200, tol=1e-3))
        return model.fit(flat(train[0]), train[1])

    models = [fitted(strength) for strength in STRENGTHS]
    scores = [model.score(flat(validation[0]), validation[1]) for model in models]
    labels: np.ndarray = models[int(np.argmax(scores))].predict(flat(test))
    return labels
