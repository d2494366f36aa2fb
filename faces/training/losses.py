"""Losses that Keras does not have."""

from collections.abc import Callable

import numpy as np
from keras import ops

from faces.models.tensors import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""From true and predicted targets, (N, ...) each, to losses (N,)."""

EPSILON = 1e-7
WING_WIDTH, WING_CURVATURE = 10.0, 2.0


def smooth_l1(error: Tensor) -> Tensor:
    """Quadratic below 1 px, linear above (Huber loss, delta 1)."""
    return ops.where(error < 1, 0.5 * ops.square(error), error - 0.5)


def wing(error: Tensor) -> Tensor:
    """Steepest near 0, so that small errors still count, linear from 10 px on (Feng et al. 2018, Wing Loss, eq. 5)."""
    offset = WING_WIDTH - WING_WIDTH * np.log(1 + WING_WIDTH / WING_CURVATURE)
    near = WING_WIDTH * ops.log(1 + error / WING_CURVATURE)
    return ops.where(error < WING_WIDTH, near, error - offset)


def masked(penalty: Callable[[Tensor], Tensor]) -> Loss:
    """A loss of true and predicted keypoints, (N, 15, 2) each, NaN = unlabelled: (N,) means over labelled coordinates.

    `penalty` takes absolute errors in pixels. Only labelled keypoints contribute; a face without any has the loss 0.
    """

    def masked_loss(points_true: Tensor, points_predicted: Tensor) -> Tensor:
        labelled = ops.logical_not(ops.isnan(points_true))
        # The gradient of a NaN is NaN even where it is masked out, so it is replaced before the difference.
        error = ops.abs(ops.where(labelled, points_true, points_predicted) - points_predicted)
        count = ops.sum(ops.cast(labelled, error.dtype), axis=(1, 2))
        return ops.sum(penalty(error), axis=(1, 2)) / ops.maximum(count, 1)

    return masked_loss


def adjusted_cross_entropy(class_counts: np.ndarray, label_smoothing: float, logit_adjustment_tau: float) -> Loss:
    """A loss of true and predicted class probabilities, (N, classes) each: (N,).

    The fraction `label_smoothing` of every label is spread over all classes (Szegedy et al. 2016). During training,
    `logit_adjustment_tau` times the log of the class frequencies, from `class_counts` (classes,), is added to the
    logits. This compensates for class imbalance (Menon et al. 2021, Long-tail learning via logit adjustment, eq. 10);
    0 disables it.
    """
    priors = logit_adjustment_tau * np.log(np.maximum(class_counts, 1) / class_counts.sum()).astype(np.float32)

    def cross_entropy(targets: Tensor, probabilities: Tensor) -> Tensor:
        smooth = targets * (1 - label_smoothing) + label_smoothing / len(class_counts)
        logits = ops.log(ops.maximum(probabilities, EPSILON)) + priors
        return -ops.sum(smooth * ops.log_softmax(logits, axis=-1), axis=-1)

    return cross_entropy
