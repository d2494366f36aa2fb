"""Steps that the stage runs eagerly, compiled by JAX: batch norm updates, augmentation, a teacher's predictions."""

from collections.abc import Callable

import jax
import keras
import numpy as np

import faces.training.trainer
import tasks.training.batches
from faces.training.augmentation import augment_images
from faces.training.batch_norm import UPDATE_BATCH_SIZE


def compiled_update_batch_norm() -> Callable[[keras.Model, np.ndarray], None]:
    """Return `faces.training.batch_norm.update_batch_norm`, its step compiled once per model."""
    steps: dict[int, Callable] = {}

    def update(model: keras.Model, images: np.ndarray) -> None:
        non_trainable = model.non_trainable_variables
        if id(model) not in steps:
            steps[id(model)] = _batch_norm_step(model)
        batches = np.split(images, range(UPDATE_BATCH_SIZE, len(images), UPDATE_BATCH_SIZE))
        weights = [variable.value for variable in model.trainable_variables]
        before = [variable.value for variable in non_trainable]
        updated = [steps[id(model)](weights, before, batch) for batch in batches]
        for number, variable in enumerate(non_trainable):
            if "moving_" in variable.path:
                variable.assign(np.mean([np.asarray(values[number]) for values in updated], axis=0))

    return update


def _batch_norm_step(model: keras.Model) -> Callable:
    """Return a compiled step: the batch norm statistics of one batch, without augmentation or dropout."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]

    @jax.jit
    def step(weights, non_trainable, batch):
        momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in dropouts]
        for layer in norms:
            layer.momentum = 0.0
        for layer in dropouts:
            layer.rate = 0.0
        _, updated = model.stateless_call(weights, non_trainable, batch, training=True)
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate
        return updated

    return step


def compiled_predict(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return a compiled function from images (N, H, W) to the model's outputs, without flip TTA."""
    weights = [variable.value for variable in model.trainable_variables]
    non_trainable = [variable.value for variable in model.non_trainable_variables]
    run = jax.jit(lambda images: model.stateless_call(weights, non_trainable, images, training=False)[0])
    return lambda images: np.asarray(run(images), np.float32)


def compile_eager_steps() -> None:
    """Replace augmentation and batch norm updates by compiled functions, in this process."""
    vars(tasks.training.batches)["augment_images"] = jax.jit(augment_images)
    vars(faces.training.trainer)["update_batch_norm"] = compiled_update_batch_norm()
