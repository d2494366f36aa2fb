"""Fits a network and keeps its best epoch by validation loss; can be taken up after any epoch."""

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from faces.batches import Batches

VALIDATION_BATCH = STATISTICS_BATCH = 256


class Epoch(NamedTuple):
    """One line of a learning curve; `metrics` are Keras's, validation's with the prefix `val_`."""

    number: int
    of: int
    seconds: float
    faces_per_second: float
    metrics: dict[str, float]


class Descent(NamedTuple):
    """How to descend. `warmup` is a share of all steps, `ema` the momentum of the weights' running mean, 0 for none.

    `patience` is how many epochs without a better one end the training.
    """

    optimizer: str
    epochs: int
    learning_rate: float
    warmup: float
    weight_decay: float
    ema: float
    patience: int


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


def cosine_schedule(learning_rate: float, steps: int, warmup: float) -> keras.optimizers.schedules.LearningRateSchedule:
    """Up to `learning_rate` in `warmup` of the steps, then a cosine to nothing (Loshchilov & Hutter 2017)."""
    rising = max(round(steps * warmup), 1)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 100,
        decay_steps=max(steps - rising, 1),
        alpha=0.0,
        warmup_target=learning_rate,
        warmup_steps=rising,
    )


def compile_network(
    network: keras.Model, loss: str | Callable, metrics: list[str], descent: Descent, steps: int
) -> None:
    """Make the network ready for a training of so many steps."""
    optimizer = _optimizer(descent, steps)
    network.compile(optimizer, loss=loss, metrics=metrics, jit_compile=jit())
    optimizer.build(network.trainable_variables)


def jit() -> bool | str:
    """Keras's `jit_compile`: XLA, its choice for TensorFlow, gains nothing on processors and compiles for a minute."""
    return False if keras.backend.backend() == "tensorflow" else "auto"


def _optimizer(descent: Descent, steps: int) -> keras.optimizers.Optimizer:
    average = {"use_ema": descent.ema > 0, "ema_momentum": descent.ema or 0.99}
    if descent.optimizer == "adam":
        return keras.optimizers.Adam(descent.learning_rate, **average)
    schedule = cosine_schedule(descent.learning_rate, steps, descent.warmup)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=descent.weight_decay, **average)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


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
