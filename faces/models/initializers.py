"""Initial weights that depend only on the seed."""

import math
import zlib

import keras
import numpy as np
from keras import layers


def initialize_weights(model: keras.Model, seed: int) -> None:
    """Initialize every trained kernel and dropout state from `seed` and the layer name alone.

    Kernels are uniform (Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural
    networks, eq. 16), drawn by NumPy, so they are equal on every backend of Keras. Nested models, such as a pretrained
    backbone, keep their weights.
    """
    for layer in model.layers:
        layer_seed = zlib.crc32(f"{seed}:{layer.name}".encode())
        if isinstance(layer, layers.Conv2D | layers.Dense) and layer.trainable:
            layer.kernel.assign(_glorot_uniform(layer_seed, tuple(layer.kernel.shape)))
        if isinstance(layer, layers.Dropout) and layer.rate:
            layer.seed_generator.state.assign([layer_seed, 0])


def _glorot_uniform(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of `shape`: the kernel's height and width, if it has them, then input and output channels."""
    receptive_field = math.prod(shape[:-2])
    limit = math.sqrt(6 / (receptive_field * (shape[-2] + shape[-1])))
    return np.random.default_rng(seed).uniform(-limit, limit, shape).astype(np.float32)
