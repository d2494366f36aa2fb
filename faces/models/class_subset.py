"""What a trained network answers: with fewer classes than it was trained on, or with other biases."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers


def answering(network: keras.Model, columns: Sequence[int]) -> keras.Model:
    """Faces to probabilities (N, len(columns)) of these classes alone, in this order; of all classes, `network` itself.

    The softmax over their logits: the network's probabilities, given that the face is of one of them. Its last layer is
    the softmax over all.
    """
    if list(columns) == list(range(network.output.shape[-1])):
        return network
    last = network.layers[-1]
    kernel, bias = (np.asarray(weights) for weights in last.get_weights())
    fewer = layers.Dense(len(columns), activation="softmax", dtype="float32", name=last.name)
    outputs = fewer(last.input)
    fewer.set_weights([kernel[:, columns], bias[list(columns)]])
    return keras.Model(network.input, outputs, name=network.name)


def add_biases(network: keras.Model, biases: np.ndarray) -> None:
    """Add to the logits, (classes,), in place. Its last layer is the softmax over all."""
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([kernel, bias + biases])
