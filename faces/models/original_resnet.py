"""The networks of the project that this one began from, as they were: bottleneck blocks behind a wide stem.

1.17 million weights are learnt for the emotion, 18 million for the key points, most of those in two dense layers.
Convolutions have biases, and batch normalisation its defaults, as they had. (He et al. 2016, Deep Residual Learning for
Image Recognition.)

The original also reports an "accuracy" of its key points. It is not carried over: it is the share of faces on which
the largest of the 30 predicted coordinates has the same number as the largest of the 30 true ones, and so says which
point lies farthest right or down, not how far any point is from its place.
"""

import keras
from keras import layers

from faces.common.schema import KEYPOINTS

SIDE = 96
"""Pixels. The original enlarged its 48x48 emotion faces to the key points' size beforehand; here a layer does."""

STAGES = {"stage2": (64, 64, 256), "stage3": (128, 128, 512)}
"""Filters of each block's three convolutions, by stage; the first stage is the stem."""


def _normalised(x, filters: int, kernel: int, name: str):
    x = layers.Conv2D(filters, kernel, padding="same", name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _pooled(x, filters: int, name: str):
    """A 1x1 convolution, whose result is then halved by its maxima: (N, H, W, C) to (N, H/2, W/2, filters)."""
    x = layers.Conv2D(filters, 1, name=f"{name}_conv")(x)
    x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _rest_of_block(main, short, filters: tuple[int, int, int], name: str):
    """The main path from its first ReLU on, 3x3 and 1x1, then the sum of both paths."""
    main = layers.ReLU(name=f"{name}_main1_relu")(main)
    main = layers.ReLU(name=f"{name}_main2_relu")(_normalised(main, filters[1], 3, f"{name}_main2"))
    main = _normalised(main, filters[2], 1, f"{name}_main3")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([main, short]))


def convolution_block(x, filters: tuple[int, int, int], name: str):
    """Halve (N, H, W, C) to (N, H/2, W/2, filters[2]): both paths pool after their first 1x1 convolution."""
    main = _pooled(x, filters[0], f"{name}_main1")
    short = _pooled(x, filters[2], f"{name}_short")
    return _rest_of_block(main, short, filters, name)


def identity_block(x, filters: tuple[int, int, int], name: str):
    """(N, H, W, filters[2]) to the same shape: what came in is added to what three convolutions make of it."""
    return _rest_of_block(_normalised(x, filters[0], 1, f"{name}_main1"), x, filters, name)


def _trunk(faces, mean: float, std: float):
    """Grey levels (N, size, size) to features (N, 2048): normalise, stem, two stages of three blocks, pool."""
    x = layers.Reshape((*faces.shape[1:], 1), name="channel")(faces)
    if faces.shape[1] != SIDE:
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


def emotion_network(size: int, classes: int, mean: float, std: float) -> keras.Model:
    """Faces (N, size, size) uint8 to probabilities (N, classes); `mean` and `std` in grey levels."""
    faces = keras.Input((size, size), dtype="uint8", name="faces")
    x = _trunk(faces, mean, std)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(faces, outputs, name="emotion")


def keypoints_network(size: int, mean: float, std: float) -> keras.Model:
    """Faces (N, size, size) uint8 to points (N, 15, 2), x then y in pixels of these faces: a dense regression.

    Nothing holds the points inside the face, and before training they are all near pixel 0.
    """
    faces = keras.Input((size, size), dtype="uint8", name="faces")
    x = _trunk(faces, mean, std)
    x = layers.Dense(4096, activation="relu", name="head1_dense")(x)
    x = layers.Dropout(0.2, name="head1_dropout")(x)
    x = layers.Dense(2048, activation="relu", name="head2_dense")(x)
    x = layers.Dropout(0.1, name="head2_dropout")(x)
    x = layers.Dense(2 * len(KEYPOINTS), dtype="float32", name="coordinates")(x)
    outputs = layers.Reshape((len(KEYPOINTS), 2), dtype="float32", name="points")(x)
    return keras.Model(faces, outputs, name="keypoints")
