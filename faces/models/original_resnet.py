"""The models of the original project, unchanged: bottleneck blocks after a wide stem.

Bottleneck blocks: He et al. 2016, Deep Residual Learning for Image Recognition. The emotion model has 1.17 million
trainable weights, the keypoints model 18 million, most of them in two dense layers. Convolutions have biases, and batch
normalization has Keras's defaults, as in the original.

The original also reports an "accuracy" of its keypoints, which is omitted here. It is the fraction of faces whose
largest predicted coordinate (of 30) has the same index as the largest true one. It depends on which keypoint is
farthest right or down, not on the distance of any keypoint from its true position.
"""

import keras
from keras import layers

from faces.common.schema import KEYPOINTS
from faces.models.tensors import Tensor

SIDE = 96
"""Pixels. The original resized its 48x48 emotion faces to the size of the keypoint faces; here a layer does."""

STAGES = {"stage2": (64, 64, 256), "stage3": (128, 128, 512)}
"""Filters of the three convolutions of each block, by stage; the first stage is the stem."""


def _conv_bn(x: Tensor, filters: int, kernel: int, name: str) -> Tensor:
    x = layers.Conv2D(filters, kernel, padding="same", name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _conv_pool_bn(x: Tensor, filters: int, name: str) -> Tensor:
    """A 1x1 convolution, max pooling and batch normalization: (N, H, W, C) to (N, H/2, W/2, filters)."""
    x = layers.Conv2D(filters, 1, name=f"{name}_conv")(x)
    x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _rest_of_block(main: Tensor, shortcut: Tensor, filters: tuple[int, int, int], name: str) -> Tensor:
    """The main path from its first ReLU on (3x3, 1x1), then the sum of both paths."""
    main = layers.ReLU(name=f"{name}_main1_relu")(main)
    main = layers.ReLU(name=f"{name}_main2_relu")(_conv_bn(main, filters[1], 3, f"{name}_main2"))
    main = _conv_bn(main, filters[2], 1, f"{name}_main3")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([main, shortcut]))


def convolution_block(x: Tensor, filters: tuple[int, int, int], name: str) -> Tensor:
    """(N, H, W, C) to (N, H/2, W/2, filters[2]): both paths pool after their first 1x1 convolution."""
    main = _conv_pool_bn(x, filters[0], f"{name}_main1")
    shortcut = _conv_pool_bn(x, filters[2], f"{name}_short")
    return _rest_of_block(main, shortcut, filters, name)


def identity_block(x: Tensor, filters: tuple[int, int, int], name: str) -> Tensor:
    """(N, H, W, filters[2]) to the same shape: the input is added to the output of three convolutions."""
    return _rest_of_block(_conv_bn(x, filters[0], 1, f"{name}_main1"), x, filters, name)


def _trunk(inputs: Tensor, mean: float, std: float) -> Tensor:
    """Grey levels (N, size, size) to features (N, 2048): normalize, stem, two stages of three blocks, pool."""
    x = layers.Reshape((*inputs.shape[1:], 1), name="channel")(inputs)
    if inputs.shape[1] != SIDE:
        x = layers.Resizing(SIDE, SIDE, name="enlarge")(x)
    x = layers.Rescaling(1 / std, offset=-mean / std, name="normalise")(x)
    x = layers.ZeroPadding2D(3, name="stem_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, name="stem_conv")(x)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    for stage, filters in STAGES.items():
        x = convolution_block(x, filters, f"{stage}_a")
        x = identity_block(x, filters, f"{stage}_b")
        x = identity_block(x, filters, f"{stage}_c")
    return layers.Flatten(name="flatten")(layers.AveragePooling2D(2, name="pool")(x))


def emotion_model(size: int, classes: int, mean: float, std: float) -> keras.Model:
    """Faces (N, size, size) uint8 to probabilities (N, classes); `mean` and `std` in grey levels."""
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = _trunk(inputs, mean, std)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="emotion")


def keypoints_model(size: int, mean: float, std: float) -> keras.Model:
    """Faces (N, size, size) uint8 to keypoints (N, 15, 2), x then y in pixels of these faces, by dense layers.

    The keypoints are not limited to the image. Before training they are all near pixel 0.
    """
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = _trunk(inputs, mean, std)
    x = layers.Dense(4096, activation="relu", name="head1_dense")(x)
    x = layers.Dropout(0.2, name="head1_dropout")(x)
    x = layers.Dense(2048, activation="relu", name="head2_dense")(x)
    x = layers.Dropout(0.1, name="head2_dropout")(x)
    x = layers.Dense(2 * len(KEYPOINTS), dtype="float32", name="coordinates")(x)
    outputs = layers.Reshape((len(KEYPOINTS), 2), dtype="float32", name="points")(x)
    return keras.Model(inputs, outputs, name="keypoints")
