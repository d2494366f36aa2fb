"""Batch-normalization statistics, taken anew for weights that no batch was seen with."""

import keras
import numpy as np

STATISTICS_BATCH = 256


def renew_statistics(network: keras.Model, faces: np.ndarray) -> None:
    """Take batch normalisation's means and variances anew, from faces (N, H, W) as they are met in use.

    Those that trail behind in training are of distorted faces, and of other weights than their running mean (Wu &
    Johnson 2021, Rethinking "Batch" in BatchNorm, section 3: precise BN).
    """
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0.0
    for number, start in enumerate(range(0, len(faces), STATISTICS_BATCH)):
        for layer in norms:
            layer.momentum = number / (number + 1)  # so that what trails is the mean over all batches
        network(faces[start : start + STATISTICS_BATCH], training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    for layer, rate in zip(dropouts, rates, strict=True):
        layer.rate = rate
