"""Knowledge distillation (Hinton et al. 2015, Distilling the Knowledge in a Neural Network)."""

import keras
import numpy as np


def distillation_targets(labels: np.ndarray, predictions: np.ndarray, teacher_weight: float) -> np.ndarray:
    """Targets float32: `teacher_weight` of each is the teacher's prediction, the rest the label, of the same shape.

    Class probabilities (N, classes): where the labels of a row sum to less than 1, the teacher's prediction replaces
    the missing part. Keypoints (N, 15, 2): unlabelled ones, NaN, stay NaN, because the teacher's are useless where they
    are outside the image.
    """
    labelled = labels.sum(axis=1, keepdims=True) if labels.ndim == 2 else 1.0
    label_weight = 1 - teacher_weight
    return (label_weight * labels + (1 - label_weight * labelled) * predictions).astype(np.float32)


def first_of_ensemble(model: keras.Model) -> keras.Model:
    """The first model of an ensemble; any other model is returned as it is."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model)), model)
