"""How weights are moved: the optimizer, its learning-rate schedule, and the compiled model."""

from collections.abc import Callable
from typing import NamedTuple

import keras


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
