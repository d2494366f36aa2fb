"""One network taught by another (Hinton et al. 2015, Distilling the Knowledge in a Neural Network)."""

import keras
import numpy as np


def blended(labels: np.ndarray, answers: np.ndarray, share: float) -> np.ndarray:
    """Targets float32: `share` of each is the teacher's answer, the rest the label, of the same shape.

    Class shares (N, classes): what a row lacks to 1 has no label, and is the teacher's. Points (N, 15, 2) that are
    unlabelled, NaN, stay so: the teacher's are no use where they lie outside the image.
    """
    labelled = labels.sum(axis=1, keepdims=True) if labels.ndim == 2 else 1.0
    return ((1 - share) * labels + (1 - (1 - share) * labelled) * answers).astype(np.float32)


def first_member(network: keras.Model) -> keras.Model:
    """Of a mean of several networks; any other network is its own."""
    return next((layer for layer in network.layers if isinstance(layer, keras.Model)), network)
