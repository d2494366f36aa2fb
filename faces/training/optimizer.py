"""The optimizer, its learning-rate schedule, and the compiled model."""

from typing import NamedTuple

import keras

from faces.training.backend import jit_compile
from faces.training.losses import Loss


class OptimizerSettings(NamedTuple):
    """`name` is adamw or adam; `warmup_ratio` is a fraction of the training steps.

    `ema_decay` is the decay of the moving average of the weights; 0 disables it.
    """

    name: str
    learning_rate: float
    weight_decay: float
    warmup_ratio: float
    ema_decay: float


def cosine_schedule(
    learning_rate: float, steps: int, warmup_ratio: float
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up over `warmup_ratio` of the steps, then cosine decay to 0 (Loshchilov & Hutter 2017)."""
    warmup_steps = max(round(steps * warmup_ratio), 1)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 100,
        decay_steps=max(steps - warmup_steps, 1),
        alpha=0.0,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )


def compile_model(
    model: keras.Model, loss: str | Loss, metrics: list[str], settings: OptimizerSettings, steps: int
) -> None:
    """Compile the model for a training of `steps` steps, in place."""
    optimizer = _optimizer(settings, steps)
    model.compile(optimizer, loss=loss, metrics=metrics, jit_compile=jit_compile())
    optimizer.build(model.trainable_variables)


def _optimizer(settings: OptimizerSettings, steps: int) -> keras.optimizers.Optimizer:
    average = {"use_ema": settings.ema_decay > 0, "ema_momentum": settings.ema_decay or 0.99}
    if settings.name == "adam":
        return keras.optimizers.Adam(settings.learning_rate, **average)
    schedule = cosine_schedule(settings.learning_rate, steps, settings.warmup_ratio)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, **average)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
