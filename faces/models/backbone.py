"""Models on a pretrained backbone: grey faces in, keypoints or probabilities out."""

import keras
from keras import layers

from faces.common.schema import KEYPOINTS
from faces.models.spatial_softmax import spatial_softmax
from faces.models.tensors import Tensor


def emotion_model(size: int, classes: int, backbone: keras.Model, *, input_size: int, dropout: float) -> keras.Model:
    """Faces (N, size, size) uint8 to probabilities (N, classes): a linear layer on the backbone's mean features."""
    inputs, features = _features(size, backbone, input_size)
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D(name="pool")(features)
    x = layers.Dropout(dropout, name="dropout")(features)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="emotion")


def keypoints_model(size: int, backbone: keras.Model, *, input_size: int, dropout: float) -> keras.Model:
    """Faces (N, size, size) uint8 to keypoints (N, 15, 2) in pixels: score maps on the backbone's feature map.

    Raises ValueError if the backbone gives no square feature map whose side divides `size`.
    """
    inputs, features = _features(size, backbone, input_size)
    side = features.shape[1]
    if len(features.shape) != 4 or features.shape[2] != side or size % side:
        raise ValueError(f"gives {features.shape[1:]}, not a square feature map whose side divides {size}")
    x = layers.Dropout(dropout, name="dropout")(features)
    x = layers.Conv2D(len(KEYPOINTS), 1, name="score_maps")(x)
    return keras.Model(inputs, spatial_softmax(x, size // side), name="keypoints")


def _features(size: int, backbone: keras.Model, input_size: int) -> tuple[Tensor, Tensor]:
    """The input, and the backbone's features of it; a backbone takes grey levels 0 to 255 in each of its channels."""
    inputs = keras.Input((size, size), dtype="uint8", name="faces")
    x = layers.Rescaling(1.0, name="grey_levels")(layers.Reshape((size, size, 1), name="channel")(inputs))
    if size != input_size:
        x = layers.Resizing(input_size, input_size, interpolation="bilinear", name="resized")(x)
    if len(backbone.input.shape) == 3:
        return inputs, backbone(layers.Reshape((input_size, input_size), name="grey")(x))
    if (channels := backbone.input.shape[-1]) > 1:
        x = layers.Concatenate(name="channels")([x] * channels)
    return inputs, backbone(x)
