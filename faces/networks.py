"""The two residual networks: uint8 faces in, points in pixels or probabilities out, normalisation inside.

The blocks are the original project's: a convolution block, whose main and short path both halve the image, then
two identity blocks. (He et al. 2016, Deep Residual Learning for Image Recognition, bottleneck form.)
"""

import zlib
from collections.abc import Sequence

import keras
from keras import layers, ops

from faces.labels import KEYPOINTS

MOMENTUM = 0.9
"""Of the batch normalisation's running means: Keras's 0.99 needs more steps than a short training has."""


def _normalised(x, filters: int, kernel: int, name: str, **options):
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=f"{name}_conv", **options)(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)


def convolution_block(x, filters: int, name: str):
    """Halve (N, H, W, C) to (N, H/2, W/2, 4 filters): main path 1x1, pool, 3x3, 1x1; short path 1x1, pool."""
    main = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_main1_conv")(x)
    main = layers.MaxPooling2D(2, name=f"{name}_main1_pool")(main)
    main = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_main1_bn")(main)
    main = layers.ReLU(name=f"{name}_main1_relu")(main)
    main = layers.ReLU(name=f"{name}_main2_relu")(_normalised(main, filters, 3, f"{name}_main2"))
    main = _normalised(main, 4 * filters, 1, f"{name}_main3")
    short = layers.Conv2D(4 * filters, 1, use_bias=False, name=f"{name}_short_conv")(x)
    short = layers.MaxPooling2D(2, name=f"{name}_short_pool")(short)
    short = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_short_bn")(short)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([main, short]))


def identity_block(x, filters: int, name: str):
    """(N, H, W, 4 filters) to the same shape: main path 1x1, 3x3, 1x1, added to what came in."""
    main = layers.ReLU(name=f"{name}_main1_relu")(_normalised(x, filters, 1, f"{name}_main1"))
    main = layers.ReLU(name=f"{name}_main2_relu")(_normalised(main, filters, 3, f"{name}_main2"))
    main = _normalised(main, 4 * filters, 1, f"{name}_main3")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([main, x]))


def _trunk(inputs, widths: Sequence[int], mean: float, std: float):
    """Stem of `widths[0]` filters, which halves the image; then a convolution and two identity blocks a width."""
    x = layers.Reshape((*inputs.shape[1:], 1), name="channel")(inputs)
    x = layers.Rescaling(1 / std, offset=-mean / std, name="normalise")(x)
    x = layers.ReLU(name="stem_relu")(_normalised(x, widths[0], 3, "stem", strides=2))
    for number, filters in enumerate(widths[1:], start=2):
        x = convolution_block(x, filters, f"stage{number}_a")
        x = identity_block(x, filters, f"stage{number}_b")
        x = identity_block(x, filters, f"stage{number}_c")
    return x


def emotion_network(
    size: int, classes: int, widths: Sequence[int], dropout: float, mean: float, std: float
) -> keras.Model:
    """Faces (N, size, size) uint8 to probabilities (N, classes)."""
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = _trunk(inputs, widths, mean, std)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="emotion")


@keras.saving.register_keras_serializable(package="faces")
class SoftArgmax(layers.Layer):
    """Score maps (N, h, w, K) to the mean position under each map's softmax, (N, K, 2), x then y in image pixels.

    `stride` is the image's side over the maps'. Differentiable, and finer than the grid (Nibali et al. 2018, DSNT).
    """

    def __init__(self, stride: int, **options):
        super().__init__(**options)
        self.stride = stride

    def call(self, scores):
        _, height, width, points = scores.shape
        weights = ops.softmax(ops.reshape(scores, (-1, height * width, points)), axis=1)
        # Middles of the cells, where pixel centres are whole numbers.
        x = (ops.arange(width, dtype=weights.dtype) + 0.5) * self.stride - 0.5
        y = (ops.arange(height, dtype=weights.dtype) + 0.5) * self.stride - 0.5
        grid = ops.stack([ops.tile(x, height), ops.repeat(y, width)], axis=1)
        return ops.einsum("nsk,sc->nkc", weights, grid)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[3], 2)

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}


def keypoints_network(size: int, widths: Sequence[int], dropout: float, mean: float, std: float) -> keras.Model:
    """Faces (N, size, size) uint8 to points (N, 15, 2) in pixels; `size` a multiple of 2 ** len(widths)."""
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = _trunk(inputs, widths, mean, std)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(len(KEYPOINTS), 1, name="score_maps")(x)
    outputs = SoftArgmax(size // x.shape[1], dtype="float32", name="points")(x)
    return keras.Model(inputs, outputs, name="keypoints")


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
