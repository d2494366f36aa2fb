"""Losses that Keras's own do not cover."""

from collections.abc import Callable

import numpy as np
from keras import ops

EPSILON = 1e-7
WING_WIDTH, WING_CURVATURE = 10.0, 2.0


def smooth_l1(error):
    """Squares under 1 px, lines from there on (Huber's loss, delta 1)."""
    return ops.where(error < 1, 0.5 * ops.square(error), error - 0.5)


def wing(error):
    """Steepest near 0, so that small errors still teach, lines from 10 px on (Feng et al. 2018, Wing Loss, eq. 5)."""
    offset = WING_WIDTH - WING_WIDTH * np.log(1 + WING_WIDTH / WING_CURVATURE)
    near = WING_WIDTH * ops.log(1 + error / WING_CURVATURE)
    return ops.where(error < WING_WIDTH, near, error - offset)


def masked(penalty: Callable) -> Callable:
    """A loss of true and predicted points, (N, 15, 2) each, NaN = unlabelled: (N,) means over labelled coordinates.

    `penalty` takes absolute errors in pixels. A face with missing points still teaches those that it has; one with none
    contributes 0.
    """

    def masked_loss(points_true, points_predicted):
        labelled = ops.logical_not(ops.isnan(points_true))
        # The gradient of a NaN is NaN even where it is masked out, so it is replaced before the difference.
        error = ops.abs(ops.where(labelled, points_true, points_predicted) - points_predicted)
        count = ops.sum(ops.cast(labelled, error.dtype), axis=(1, 2))
        return ops.sum(penalty(error), axis=(1, 2)) / ops.maximum(count, 1)

    return masked_loss


def adjusted_cross_entropy(class_counts: np.ndarray, smoothing: float, adjustment: float) -> Callable:
    """A loss of class shares and probabilities, (N, classes) each: (N,).

    `smoothing` of every label is spread over all classes (Szegedy et al. 2016). `adjustment` times the log of the
    classes' shares, from `class_counts` (classes,), is added to the logits while training, so that rare classes are
    not given up (Menon et al. 2021, Long-tail learning via logit adjustment, eq. 10); 0 trains on the plain logits.
    """
    priors = adjustment * np.log(np.maximum(class_counts, 1) / class_counts.sum()).astype(np.float32)

    def cross_entropy(shares, probabilities):
        smooth = shares * (1 - smoothing) + smoothing / len(class_counts)
        logits = ops.log(ops.maximum(probabilities, EPSILON)) + priors
        return -ops.sum(smooth * ops.log_softmax(logits, axis=-1), axis=-1)

    return cross_entropy
