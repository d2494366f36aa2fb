"""Batch-normalization statistics, computed for the final weights."""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from faces.models.tensors import Tensor

UPDATE_BATCH_SIZE = 256

BatchStatistics = Callable[[list[Tensor], list[Tensor], np.ndarray], list[Tensor]]
"""From the trainable and the other variables of a model and a batch of faces to means and variances."""


def batch_norm_updater(
    model: keras.Model, compiled: Callable[[BatchStatistics], BatchStatistics]
) -> Callable[[np.ndarray], None]:
    """A function that computes batch normalization's means and variances from faces (N, H, W) without augmentation.

    It sets them in place, to their means over the batches. The moving statistics of training come from augmented faces,
    and from other weights than the moving average of the weights (Wu & Johnson 2021, Rethinking "Batch" in BatchNorm,
    section 3: precise BN). `compiled` compiles a function of arrays, once for all updates. Frozen layers keep their
    statistics.
    """
    norms = [layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in _layers(model) if isinstance(layer, keras.layers.Dropout)]
    statistics = {id(variable) for layer in norms for variable in (layer.moving_mean, layer.moving_variance)}
    which = [number for number, one in enumerate(model.non_trainable_variables) if id(one) in statistics]

    def batch_statistics(trainable: list[Tensor], non_trainable: list[Tensor], batch: np.ndarray) -> list[Tensor]:
        """Means and variances of one batch, in the order of `which`."""
        momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in dropouts]
        for layer in norms:
            layer.momentum = 0.0
        for layer in dropouts:
            layer.rate = 0.0
        _, updated = model.stateless_call(trainable, non_trainable, batch, training=True)
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate
        return [updated[number] for number in which]

    run = compiled(batch_statistics)

    def update(faces: np.ndarray) -> None:
        trainable = [variable.value for variable in model.trainable_variables]
        non_trainable = [variable.value for variable in model.non_trainable_variables]
        batches = np.split(faces, range(UPDATE_BATCH_SIZE, len(faces), UPDATE_BATCH_SIZE))
        found = [[np.asarray(one) for one in run(trainable, non_trainable, batch)] for batch in batches]
        for number, values in zip(which, zip(*found, strict=True), strict=True):
            model.non_trainable_variables[number].assign(np.mean(values, axis=0, dtype=np.float64))

    return update


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All trainable layers, those of nested models too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer) if layer.trainable else ()
        elif layer.trainable:
            yield layer
