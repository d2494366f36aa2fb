"""Knowledge distillation (Hinton et al. 2015, Distilling the Knowledge in a Neural Network)."""

import keras
import numpy as np

from faces.models.tensors import Tensor


def distillation_targets(labels: Tensor, predictions: np.ndarray, teacher_weight: float) -> Tensor:
    """Targets float32: `teacher_weight` of each is the teachers' prediction, the rest the label, of the same shape.

    Class probabilities (N, classes): where the labels of a row sum to less than 1, the prediction replaces the missing
    part. Keypoints (N, 15, 2): a face without any label gets the prediction; unlabelled keypoints, NaN, of other faces
    stay NaN, because predictions are useless where they are outside the image.
    """
    label_weight = 1 - teacher_weight
    if labels.ndim == 2:
        return (label_weight * labels + (1 - label_weight * labels.sum(axis=1, keepdims=True)) * predictions).astype(
            np.float32
        )
    # Not NumPy's functions for labels on a device, which would wait for them.
    ops = np if isinstance(labels, np.ndarray) else keras.ops
    unlabelled = ops.all(ops.isnan(labels), axis=(1, 2), keepdims=True)
    return ops.where(unlabelled, predictions, label_weight * labels + teacher_weight * predictions).astype(np.float32)


def first_of_ensemble(model: keras.Model) -> keras.Model:
    """The first model of an ensemble; any other model is returned as it is."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model)), model)
