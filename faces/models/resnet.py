"""Our two residual networks: uint8 faces in, points in pixels or probabilities out, normalisation inside.

Basic blocks (He et al. 2016, Deep Residual Learning for Image Recognition); their short path averages before its 1x1
convolution, and the stem is of 3x3 convolutions (He et al. 2019, Bag of Tricks, ResNet-C and ResNet-D).
"""

from collections.abc import Sequence

import keras
from keras import layers

from faces.common.schema import KEYPOINTS
from faces.models.spatial_softmax import SoftArgmax

MOMENTUM = 0.9
"""Of the batch normalisation's running means: Keras's 0.99 needs more steps than a short training has."""


def _normalised(x, filters: int, kernel: int, name: str, strides: int = 1):
    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)


def basic_block(x, filters: int, halve: bool, name: str):
    """(N, H, W, C) to (N, H, W, filters), or half as high and wide: two 3x3 convolutions beside a short path."""
    main = _normalised(x, filters, 3, f"{name}_main1", strides=2 if halve else 1)
    main = layers.ReLU(name=f"{name}_main1_relu")(main)
    main = _normalised(main, filters, 3, f"{name}_main2")
    if halve:
        x = layers.AveragePooling2D(2, name=f"{name}_short_pool")(x)
    if x.shape[-1] != filters:
        x = _normalised(x, filters, 1, f"{name}_short")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([main, x]))


def _stages(inputs, widths: Sequence[int], depths: Sequence[int], halvings: int, mean: float, std: float) -> list:
    """Feature maps of each stage, each next one half as high and wide; the face was halved `halvings` times before."""
    x = layers.Reshape((*inputs.shape[1:], 1), name="channel")(inputs)
    x = layers.Rescaling(1 / std, offset=-mean / std, name="normalise")(x)
    x = layers.ReLU(name="stem1_relu")(_normalised(x, widths[0] // 2, 3, "stem1", strides=max(halvings, 1)))
    x = layers.ReLU(name="stem2_relu")(_normalised(x, widths[0], 3, "stem2", strides=min(halvings + 1, 2)))
    stages = []
    for stage, (filters, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for block in range(1, depth + 1):
            x = basic_block(x, filters, stage > 1 and block == 1, f"stage{stage}_block{block}")
        stages.append(x)
    return stages


def emotion_network(
    size: int,
    classes: int,
    mean: float,
    std: float,
    *,
    widths: Sequence[int],
    depths: Sequence[int],
    dropout: float,
    halvings: int = 1,
) -> keras.Model:
    """Faces (N, size, size) uint8 to probabilities (N, classes); the stem halves them `halvings` times, up to 2."""
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = _stages(inputs, widths, depths, halvings, mean, std)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="emotion")


def keypoints_network(
    size: int,
    mean: float,
    std: float,
    *,
    widths: Sequence[int],
    depths: Sequence[int],
    dropout: float,
    halvings: int = 1,
) -> keras.Model:
    """Faces (N, size, size) uint8 to points (N, 15, 2) in pixels; the stem halves them `halvings` times, up to 2.

    Coarse stages see the whole face, fine ones where exactly: from the last to the one that is a quarter as wide as the
    face, each is enlarged and added to the one before (Lin et al. 2017, Feature Pyramid Networks). Where no stage is
    as narrow as that, the last alone is looked at.
    """
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    stages = _stages(inputs, widths, depths, halvings, mean, std)
    finest = min(3 - halvings, len(stages))
    filters = widths[finest - 1]
    x = layers.Dropout(dropout, name="dropout")(stages[-1])
    x = _normalised(x, filters, 1, f"lateral{len(stages)}")
    for stage in range(len(stages) - 1, finest - 1, -1):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"enlarge{stage}")(x)
        x = layers.Add(name=f"pyramid{stage}")([x, _normalised(stages[stage - 1], filters, 1, f"lateral{stage}")])
    x = layers.ReLU(name="pyramid_relu")(x)
    x = layers.ReLU(name="maps_relu")(_normalised(x, filters, 3, "maps"))
    x = layers.Conv2D(len(KEYPOINTS), 1, name="score_maps")(x)
    outputs = SoftArgmax(size // x.shape[1], dtype="float32", name="points")(x)
    return keras.Model(inputs, outputs, name="keypoints")
