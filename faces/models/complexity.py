"""The computational cost of a model, independent of the machine."""

import math

import keras
from keras import layers


def num_parameters(model: keras.Model) -> int:
    """The number of weights, without the fixed cell centres of the spatial softmax."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += num_parameters(layer)
        elif layer.trainable or not isinstance(layer, layers.Dense):
            total += layer.count_params()
    return total


def macs(model: keras.Model) -> int:
    """Multiply-accumulate operations of all trained convolutions and dense layers for one face; the rest is negligible.

    The fixed dense layer of the spatial softmax computes a mean position and is not counted.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += macs(layer)
        elif isinstance(layer, layers.Conv2D | layers.Dense) and layer.trainable:
            # Every position of the output applies the whole kernel once.
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return total
