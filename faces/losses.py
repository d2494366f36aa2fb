"""Losses that Keras's own do not cover."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="faces")
def masked_smooth_l1(points_true, points_predicted):
    """Mean smooth L1 (Huber, delta 1 px) over labelled coordinates; (N, 15, 2) each, NaN = unlabelled; (N,).

    A face with missing points still teaches those that it has; one with none contributes 0.
    """
    labelled = ops.logical_not(ops.isnan(points_true))
    # The gradient of a NaN is NaN even where it is masked out, so it is replaced before the difference.
    error = ops.abs(ops.where(labelled, points_true, points_predicted) - points_predicted)
    loss = ops.where(error < 1, 0.5 * ops.square(error), error - 0.5)
    count = ops.sum(ops.cast(labelled, loss.dtype), axis=(1, 2))
    return ops.sum(loss, axis=(1, 2)) / ops.maximum(count, 1)
