"""Batch-normalization statistics, computed for the final weights."""

import keras
import numpy as np

UPDATE_BATCH_SIZE = 256


def update_batch_norm(model: keras.Model, faces: np.ndarray) -> None:
    """Compute batch normalization's means and variances from faces (N, H, W) without augmentation, in place.

    The moving statistics of training come from augmented faces, and from other weights than the moving average of the
    weights (Wu & Johnson 2021, Rethinking "Batch" in BatchNorm, section 3: precise BN).
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0.0
    for number, start in enumerate(range(0, len(faces), UPDATE_BATCH_SIZE)):
        for layer in norms:
            layer.momentum = number / (number + 1)  # so that the moving statistics are the mean over all batches
        model(faces[start : start + UPDATE_BATCH_SIZE], training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    for layer, rate in zip(dropouts, rates, strict=True):
        layer.rate = rate
