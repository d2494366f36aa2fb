"""Initial weights that depend only on the seed."""

import zlib

import keras
from keras import layers


def initialize_weights(model: keras.Model, seed: int) -> None:
    """Initialize every trained kernel (Glorot & Bengio 2010) and dropout state from `seed` and the layer name alone.

    `keras.utils.set_random_seed` is not enough: layers take their seeds from Python's global generator, and other
    threads, such as Prefect's, draw from it too.
    """
    for layer in model.layers:
        layer_seed = zlib.crc32(f"{seed}:{layer.name}".encode())
        if isinstance(layer, layers.Conv2D | layers.Dense) and layer.trainable:
            layer.kernel.assign(keras.initializers.GlorotUniform(layer_seed)(layer.kernel.shape))
        if isinstance(layer, layers.Dropout) and layer.rate:
            layer.seed_generator.state.assign([layer_seed, 0])
