"""Spatial softmax: the last layers of the keypoints model, from score maps to keypoints."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from faces.models.tensors import Tensor


def spatial_softmax(scores: Tensor, stride: int) -> Tensor:
    """Score maps (N, h, w, K) to the mean position under each map's softmax, (N, K, 2), x then y in image pixels.

    `stride` is the side of the image divided by that of the maps. Differentiable, and finer than the grid (Nibali et
    al. 2018, Numerical Coordinate Regression with Convolutional Neural Networks). Keras's own layers only, so that a
    saved model opens without this project; the last one is a fixed dense layer with the centres of the cells.
    """
    _, height, width, points = scores.shape
    x = layers.Permute((3, 1, 2), dtype="float32", name="maps_first")(scores)
    x = layers.Reshape((points, height * width), dtype="float32", name="cells")(x)
    x = layers.Softmax(dtype="float32", name="cell_weights")(x)
    centres = layers.Dense(2, use_bias=False, trainable=False, dtype="float32", name="points")
    outputs = centres(x)
    centres.set_weights([_cell_centres(height, width, stride)])
    return outputs


def _cell_centres(height: int, width: int, stride: int) -> np.ndarray:
    """Centres of the cells (h * w, 2), row by row, in coordinates in which pixel centres are whole numbers."""
    x, y = ((np.arange(cells) + 0.5) * stride - 0.5 for cells in (width, height))
    return np.stack([np.tile(x, height), np.repeat(y, width)], axis=1).astype(np.float32)


@keras.saving.register_keras_serializable(package="faces")
class SoftArgmax(layers.Layer):  # type: ignore[misc]  # mypy does not read Keras
    """`spatial_softmax` as one layer: what keypoints models of earlier versions hold, which are still scored."""

    def __init__(self, stride: int, **options: Any) -> None:
        super().__init__(**options)
        self.stride = stride

    def call(self, scores: Tensor) -> Tensor:
        _, height, width, points = scores.shape
        weights = ops.softmax(ops.reshape(scores, (-1, height * width, points)), axis=1)
        centres = ops.cast(_cell_centres(height, width, self.stride), weights.dtype)
        return ops.einsum("nsk,sc->nkc", weights, centres)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[3], 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride}
