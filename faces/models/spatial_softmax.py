"""Spatial softmax: the last layer of the keypoints model, from score maps to keypoints."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="faces")
class SoftArgmax(layers.Layer):
    """Score maps (N, h, w, K) to the mean position under each map's softmax, (N, K, 2), x then y in image pixels.

    `stride` is the side of the image divided by that of the maps. Differentiable, and finer than the grid (Nibali et
    al. 2018, Numerical Coordinate Regression with Convolutional Neural Networks).
    """

    def __init__(self, stride: int, **options):
        super().__init__(**options)
        self.stride = stride

    def call(self, scores):
        _, height, width, points = scores.shape
        weights = ops.softmax(ops.reshape(scores, (-1, height * width, points)), axis=1)
        # Centres of the cells, in coordinates in which pixel centres are whole numbers.
        x = (ops.arange(width, dtype=weights.dtype) + 0.5) * self.stride - 0.5
        y = (ops.arange(height, dtype=weights.dtype) + 0.5) * self.stride - 0.5
        grid = ops.stack([ops.tile(x, height), ops.repeat(y, width)], axis=1)
        return ops.einsum("nsk,sc->nkc", weights, grid)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[3], 2)

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}
