"""The two residual models: uint8 faces to keypoints in pixels or to probabilities; the models normalize their input.

Basic blocks (He et al. 2016, Deep Residual Learning for Image Recognition). The shortcut averages before its 1x1
convolution, and the stem consists of 3x3 convolutions (He et al. 2019, Bag of Tricks for Image Classification with
Convolutional Neural Networks: ResNet-D and ResNet-C).
"""

from collections.abc import Sequence

import keras
from keras import layers

from faces.common.schema import KEYPOINTS
from faces.models.spatial_softmax import spatial_softmax
from faces.models.tensors import Tensor

MOMENTUM = 0.9
"""Of batch normalization's moving statistics: Keras's 0.99 needs more steps than a short training has."""


def _conv_bn(x: Tensor, filters: int, kernel: int, name: str, strides: int = 1) -> Tensor:
    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)


def basic_block(x: Tensor, filters: int, halve: bool, name: str) -> Tensor:
    """(N, H, W, C) to (N, H, W, filters), or to half the height and width: two 3x3 convolutions and a shortcut."""
    main = _conv_bn(x, filters, 3, f"{name}_main1", strides=2 if halve else 1)
    main = layers.ReLU(name=f"{name}_main1_relu")(main)
    main = _conv_bn(main, filters, 3, f"{name}_main2")
    if halve:
        x = layers.AveragePooling2D(2, name=f"{name}_short_pool")(x)
    if x.shape[-1] != filters:
        x = _conv_bn(x, filters, 1, f"{name}_short")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([main, x]))


def _stages(
    inputs: Tensor, widths: Sequence[int], depths: Sequence[int], stem_stride: int, mean: float, std: float
) -> list[Tensor]:
    """Feature maps of each stage, each of half the height and width of the previous one; the stem has `stem_stride`."""
    x = layers.Reshape((*inputs.shape[1:], 1), name="channel")(inputs)
    # Layer names are those of the saved models; a new spelling would change their bytes.
    x = layers.Rescaling(1 / std, offset=-mean / std, name="normalise")(x)
    x = layers.ReLU(name="stem1_relu")(_conv_bn(x, widths[0] // 2, 3, "stem1", strides=max(stem_stride // 2, 1)))
    x = layers.ReLU(name="stem2_relu")(_conv_bn(x, widths[0], 3, "stem2", strides=min(stem_stride, 2)))
    stages = []
    for stage, (filters, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for block in range(1, depth + 1):
            x = basic_block(x, filters, stage > 1 and block == 1, f"stage{stage}_block{block}")
        stages.append(x)
    return stages


def emotion_model(
    size: int,
    classes: int,
    mean: float,
    std: float,
    *,
    widths: Sequence[int],
    depths: Sequence[int],
    dropout: float,
    stem_stride: int = 2,
) -> keras.Model:
    """Faces (N, size, size) uint8 to probabilities (N, classes); `stem_stride` is 1, 2 or 4."""
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = _stages(inputs, widths, depths, stem_stride, mean, std)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="emotion")


def keypoints_model(
    size: int,
    mean: float,
    std: float,
    *,
    widths: Sequence[int],
    depths: Sequence[int],
    dropout: float,
    stem_stride: int = 2,
) -> keras.Model:
    """Faces (N, size, size) uint8 to keypoints (N, 15, 2) in pixels; `stem_stride` is 1, 2 or 4.

    Coarse stages see the whole face, fine stages give the exact position: from the last stage to the one of a quarter
    of the image's width, each is upsampled and added to the previous one (Lin et al. 2017, Feature Pyramid Networks for
    Object Detection). If no stage is as narrow as that, only the last one is used.
    """
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    stages = _stages(inputs, widths, depths, stem_stride, mean, std)
    finest = min({1: 3, 2: 2, 4: 1}[stem_stride], len(stages))
    filters = widths[finest - 1]
    x = layers.Dropout(dropout, name="dropout")(stages[-1])
    x = _conv_bn(x, filters, 1, f"lateral{len(stages)}")
    for stage in range(len(stages) - 1, finest - 1, -1):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"enlarge{stage}")(x)
        x = layers.Add(name=f"pyramid{stage}")([x, _conv_bn(stages[stage - 1], filters, 1, f"lateral{stage}")])
    x = layers.ReLU(name="pyramid_relu")(x)
    x = layers.ReLU(name="maps_relu")(_conv_bn(x, filters, 3, "maps"))
    x = layers.Conv2D(len(KEYPOINTS), 1, name="score_maps")(x)
    outputs = spatial_softmax(x, size // x.shape[1])
    return keras.Model(inputs, outputs, name="keypoints")
