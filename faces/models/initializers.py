"""Initial weights that depend on the seed and on nothing else."""

import zlib

import keras
from keras import layers


def initialise(network: keras.Model, seed: int) -> None:
    """Draw every kernel and every dropout's state anew from `seed` and the layer's name alone (Glorot & Bengio 2010).

    `keras.utils.set_random_seed` is not enough: layers take their seeds from Python's global generator, and a thread
    that draws from it meanwhile, as Prefect's do, changes them.
    """
    for layer in network.layers:
        own_seed = zlib.crc32(f"{seed}:{layer.name}".encode())
        if isinstance(layer, layers.Conv2D | layers.Dense):
            layer.kernel.assign(keras.initializers.GlorotUniform(own_seed)(layer.kernel.shape))
        if isinstance(layer, layers.Dropout) and layer.rate:
            layer.seed_generator.state.assign([own_seed, 0])
