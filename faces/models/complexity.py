"""What a network costs, whatever the machine."""

import math

import keras
from keras import layers


def multiply_adds(network: keras.Model) -> int:
    """Multiplications with additions for one face, of all convolutions and dense layers; the rest costs little."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, layers.Conv2D | layers.Dense):
            # Every place of the output takes the whole kernel once.
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return total
