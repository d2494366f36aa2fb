"""Fits a network and keeps its best epoch by validation loss."""

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np


class Epoch(NamedTuple):
    """One line of a learning curve; `metrics` are Keras's, validation's with the prefix `val_`."""

    number: int
    of: int
    seconds: float
    faces_per_second: float
    metrics: dict[str, float]


class _Report(keras.callbacks.Callback):
    def __init__(self, faces: int, tell: Callable[[Epoch], None]):
        super().__init__()
        self._faces = faces
        self._tell = tell

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._began
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self._tell(Epoch(epoch + 1, self.params["epochs"], seconds, self._faces / seconds, metrics))


def cosine_schedule(learning_rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A tenth of the steps up to `learning_rate`, then a cosine to a hundredth of it (Loshchilov & Hutter 2017)."""
    warmup = max(steps // 10, 1)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 100,
        decay_steps=max(steps - warmup, 1),
        alpha=0.01,
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )


def fit_network(
    network: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    loss: str | Callable,
    metrics: list[str],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    tell: Callable[[Epoch], None],
) -> None:
    """Train in place on (faces, targets), ending with the weights of the epoch of least validation loss.

    `tell` hears of every epoch. The caller sets the seed, before it builds the network.
    """
    steps = epochs * -(-len(train[0]) // batch_size)
    network.compile(keras.optimizers.AdamW(cosine_schedule(learning_rate, steps)), loss=loss, metrics=metrics)
    keep_best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    network.fit(
        *train,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=validation,
        callbacks=[keep_best, _Report(len(train[0]), tell)],
        verbose=0,
    )
