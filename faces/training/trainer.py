"""Fits a network and keeps its best epoch by validation loss; can be taken up after any epoch."""

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from faces.training.batch_norm import renew_statistics
from faces.training.batches import Batches
from faces.training.optimizer import Descent, compile_network

VALIDATION_BATCH = 256


class Epoch(NamedTuple):
    """One line of a learning curve; `metrics` are Keras's, validation's with the prefix `val_`."""

    number: int
    of: int
    seconds: float
    faces_per_second: float
    metrics: dict[str, float]


class State(NamedTuple):
    """Training between two epochs, as arrays: all that the next epoch depends on."""

    network: list[np.ndarray]
    optimizer: list[np.ndarray]
    best: list[np.ndarray]
    epochs: list[Epoch]


def best_epoch(epochs: list[Epoch]) -> Epoch:
    """The earliest of least validation loss."""
    return min(epochs, key=lambda epoch: epoch.metrics["val_loss"])


def is_over(epochs: list[Epoch], descent: Descent) -> bool:
    """Whether no epoch is to follow: all are done, or the last `patience` brought nothing better."""
    if not epochs:
        return False
    return len(epochs) >= descent.epochs or epochs[-1].number - best_epoch(epochs).number >= descent.patience


class _Keeper(keras.callbacks.Callback):
    """Copies the weights that validation judged, the mean ones where there are any, whenever they are the best."""

    def __init__(self, faces: int, descent: Descent, state: State | None, tell, keep) -> None:
        super().__init__()
        self._faces, self._descent, self._tell, self._keep = faces, descent, tell, keep
        self.epochs: list[Epoch] = list(state.epochs) if state else []
        self.best: list[np.ndarray] = state.best if state else []

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_test_end(self, logs=None):
        if not self.epochs or logs["loss"] < best_epoch(self.epochs).metrics["val_loss"]:
            self.best = _values(self.model.variables)

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._began
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.epochs.append(Epoch(epoch + 1, self._descent.epochs, seconds, self._faces / seconds, metrics))
        self._tell(self.epochs[-1])
        self.model.stop_training = is_over(self.epochs, self._descent)
        optimizer = _values(self.model.optimizer.variables)
        self._keep(State(_values(self.model.variables), optimizer, self.best, list(self.epochs)))


def _values(variables) -> list[np.ndarray]:
    return [np.array(variable) for variable in variables]


def _assign(variables, values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def fit_network(
    network: keras.Model,
    batches: Callable[[range], Batches],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    loss: str | Callable,
    metrics: list[str],
    descent: Descent,
    statistics: np.ndarray | None = None,
    tell: Callable[[Epoch], None],
    state: State | None = None,
    keep: Callable[[State], None] = lambda _: None,
) -> list[Epoch]:
    """Train in place, ending with the weights of the epoch of least validation loss; gives all epochs.

    `batches` makes the training data of some epochs, counted from 0. `statistics` are the faces (N, H, W) that batch
    normalisation's are taken from before each validation; None leaves it those that trail behind. `tell` hears of every
    epoch; `keep` is given what a later call needs as `state` to go on from there, to the same result as one that never
    stopped.
    """
    if state and is_over(state.epochs, descent):
        _assign(network.variables, state.best)
        return state.epochs
    done = len(state.epochs) if state else 0
    data = batches(range(done, descent.epochs))
    compile_network(network, loss, metrics, descent, descent.epochs * data.steps)
    if state:
        _assign(network.variables, state.network)
        _assign(network.optimizer.variables, state.optimizer)
    keeper = _Keeper(data.steps * data.batch_size, descent, state, tell, keep)
    # The keeper hears first that validation has ended, while the mean weights are still in.
    callbacks = [keeper, keras.callbacks.SwapEMAWeights()] if descent.ema else [keeper]
    if statistics is not None:
        # Behind the swap: the weights to be judged are in.
        callbacks.append(keras.callbacks.LambdaCallback(on_test_begin=lambda _: renew_statistics(network, statistics)))
    network.fit(
        data,
        initial_epoch=done,
        epochs=descent.epochs,
        steps_per_epoch=data.steps,
        shuffle=False,  # the batches are, and Keras would from a generator that others share
        validation_data=validation,
        validation_batch_size=VALIDATION_BATCH,
        callbacks=callbacks,
        verbose=0,
    )
    _assign(network.variables, keeper.best)
    return keeper.epochs
