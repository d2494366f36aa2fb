"""Fits a model and keeps its best epoch by validation loss; training can be resumed after any epoch."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np

from faces.training.backend import Backend, jit_compile
from faces.training.batch_norm import batch_norm_updater
from faces.training.batches import Batches
from faces.training.fit_inputs import VALIDATION_BATCH_SIZE, fit_inputs
from faces.training.losses import Loss
from faces.training.optimizer import OptimizerSettings, compile_model


class Epoch(NamedTuple):
    """One row of a learning curve; `metrics` are those of Keras, with the prefix `val_` for validation."""

    number: int
    of: int
    seconds: float
    faces_per_second: float
    metrics: dict[str, float]


class Checkpoint(NamedTuple):
    """The state of a training between two epochs, as arrays: everything that the next epoch depends on."""

    model: list[np.ndarray]
    optimizer: list[np.ndarray]
    best: list[np.ndarray]
    epochs: list[Epoch]


Logs = dict[str, float]
"""Losses and metrics by name, as Keras hands them to callbacks."""


def best_epoch(epochs: list[Epoch]) -> Epoch:
    """The epoch of the lowest validation loss; the earliest of several."""
    return min(epochs, key=lambda epoch: epoch.metrics["val_loss"])


def is_over(done: list[Epoch], epochs: int, patience: int) -> bool:
    """Whether training ends: all `epochs` are done, or the last `patience` of them brought no lower validation loss."""
    return bool(done) and (len(done) >= epochs or done[-1].number - best_epoch(done).number >= patience)


class BestWeightsCheckpoint(keras.callbacks.Callback):  # type: ignore[misc]  # mypy does not read Keras
    """Keeps the weights of the lowest validation loss, averaged ones with `ema_decay`; stops early by `patience`."""

    def __init__(
        self,
        num_faces: int,
        epochs: int,
        patience: int,
        checkpoint: Checkpoint | None,
        on_epoch: Callable[[Epoch], None],
        on_checkpoint: Callable[[Checkpoint], None],
    ) -> None:
        super().__init__()
        self._num_faces, self._on_epoch, self._on_checkpoint = num_faces, on_epoch, on_checkpoint
        self._num_epochs, self._patience = epochs, patience
        self.epochs: list[Epoch] = list(checkpoint.epochs) if checkpoint else []
        self.best: list[np.ndarray] = checkpoint.best if checkpoint else []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._started = time.perf_counter()

    def on_test_end(self, logs: Logs) -> None:
        if not self.epochs or logs["loss"] < best_epoch(self.epochs).metrics["val_loss"]:
            self.best = _values(self.model.variables)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self._started
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.epochs.append(Epoch(epoch + 1, self._num_epochs, seconds, self._num_faces / seconds, metrics))
        self._on_epoch(self.epochs[-1])
        self.model.stop_training = is_over(self.epochs, self._num_epochs, self._patience)
        optimizer = _values(self.model.optimizer.variables)
        self._on_checkpoint(Checkpoint(_values(self.model.variables), optimizer, self.best, list(self.epochs)))


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [np.array(variable) for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def fit_model(
    model: keras.Model,
    batches: Callable[[range], Batches],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    loss: str | Loss,
    metrics: list[str],
    optimizer: OptimizerSettings,
    epochs: int,
    patience: int,
    backend: Backend,
    statistics: np.ndarray | None = None,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None = None,
    on_checkpoint: Callable[[Checkpoint], None] = lambda _: None,
) -> list[Epoch]:
    """Train in place; restore the weights of the epoch of lowest validation loss; return all epochs.

    `batches` returns the training batches of a range of epochs, counted from 0. Before each validation, batch
    normalization is updated on the faces `statistics` (N, H, W); None keeps the moving statistics. `on_epoch` is called
    after each epoch, `on_checkpoint` with the state after it. A call with that `checkpoint` resumes there, with the
    same result as one uninterrupted call.
    """
    if checkpoint and is_over(checkpoint.epochs, epochs, patience):
        _assign(model.variables, checkpoint.best)
        return checkpoint.epochs
    initial_epoch = len(checkpoint.epochs) if checkpoint else 0
    data = batches(range(initial_epoch, epochs))
    compile_model(model, loss, metrics, optimizer, epochs * data.steps)
    if checkpoint:
        _assign(model.variables, checkpoint.model)
        _assign(model.optimizer.variables, checkpoint.optimizer)
    best_weights = BestWeightsCheckpoint(
        data.steps * data.batch_size, epochs, patience, checkpoint, on_epoch, on_checkpoint
    )
    model.fit(
        **fit_inputs(data, validation, backend.prefetch_threads),
        initial_epoch=initial_epoch,
        epochs=epochs,
        steps_per_epoch=data.steps,
        shuffle=False,  # the batches are shuffled, and Keras would use Python's generator, which other threads use too
        callbacks=[best_weights, *_after_each_epoch(model, optimizer, statistics, backend)],
        verbose=0,
    )
    _assign(model.variables, best_weights.best)
    return best_weights.epochs


def _after_each_epoch(
    model: keras.Model, optimizer: OptimizerSettings, statistics: np.ndarray | None, backend: Backend
) -> list[keras.callbacks.Callback]:
    """Callbacks that give the model its averaged weights and batch-norm statistics before validation.

    They follow BestWeightsCheckpoint, which copies the averaged weights at the end of validation, before they are
    swapped out.
    """
    callbacks = [keras.callbacks.SwapEMAWeights()] if optimizer.ema_decay else []
    if statistics is not None:
        update = batch_norm_updater(model, backend.compiled)
        callbacks.append(keras.callbacks.LambdaCallback(on_test_begin=lambda _: update(statistics)))
    return callbacks


def validate_unchanged(
    model: keras.Model,
    validation: tuple[np.ndarray, np.ndarray],
    *,
    loss: str | Loss,
    metrics: list[str],
) -> list[Epoch]:
    """The epoch 0 of a model that is not trained: its validation loss and metrics."""
    model.compile(loss=loss, metrics=metrics, jit_compile=jit_compile())
    started = time.perf_counter()
    found = model.evaluate(*validation, batch_size=VALIDATION_BATCH_SIZE, verbose=0, return_dict=True)
    seconds = time.perf_counter() - started
    values = {f"val_{name}": float(value) for name, value in found.items()}
    return [Epoch(0, 0, seconds, len(validation[0]) / seconds, values)]
