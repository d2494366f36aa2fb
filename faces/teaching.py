"""One network taught by another (Hinton et al. 2015, Distilling the Knowledge in a Neural Network)."""

from collections.abc import Callable

import keras
import numpy as np

from faces.inference import Inference, combined
from faces.training import jit


def blended(labels: np.ndarray, answers: np.ndarray, share: float) -> np.ndarray:
    """Targets float32: `share` of each is the teacher's answer, the rest the label, of the same shape.

    Class shares (N, classes): what a row lacks to 1 has no label, and is the teacher's. Points (N, 15, 2) that are
    unlabelled, NaN, stay so: the teacher's are no use where they lie outside the image.
    """
    labelled = labels.sum(axis=1, keepdims=True) if labels.ndim == 2 else 1.0
    return ((1 - share) * labels + (1 - (1 - share) * labelled) * answers).astype(np.float32)


def answers_of(teacher: keras.Model, how: Inference) -> Callable[[np.ndarray], np.ndarray]:
    """Gives the teacher's outputs for a batch of faces (N, H, W), as they were distorted.

    On faces that it learnt by heart it says no more than their labels (Beyer et al. 2022, Knowledge distillation: A
    good teacher is patient and consistent).
    """
    teacher.compile(jit_compile=jit())
    return lambda faces: combined(teacher.predict_on_batch, faces, how)


def first_member(network: keras.Model) -> keras.Model:
    """Of a mean of several networks; any other network is its own."""
    return next((layer for layer in network.layers if isinstance(layer, keras.Model)), network)
