"""Changes the last layer of a trained emotion model: fewer classes, or corrected biases."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers


def restrict_classes(model: keras.Model, class_indices: Sequence[int]) -> keras.Model:
    """A model with probabilities (N, len(class_indices)) of these classes alone, in this order; `model` itself for all.

    The softmax over their logits: the probabilities given that the face is of one of these classes. The last layer of
    `model` must be the softmax over all classes.
    """
    if list(class_indices) == list(range(model.output.shape[-1])):
        return model
    last = model.layers[-1]
    kernel, bias = (np.asarray(weights) for weights in last.get_weights())
    restricted = layers.Dense(len(class_indices), activation="softmax", dtype="float32", name=last.name)
    outputs = restricted(last.input)
    restricted.set_weights([kernel[:, class_indices], bias[list(class_indices)]])
    return keras.Model(model.input, outputs, name=model.name)


def apply_bias_correction(model: keras.Model, biases: np.ndarray) -> None:
    """Add `biases` (classes,) to the logits, in place. The last layer of `model` must be the softmax."""
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + biases])
