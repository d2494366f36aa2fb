"""Trains a model, or an ensemble, and keeps the best epoch of each."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras

from faces.models.complexity import num_parameters
from faces.models.ensemble import ensemble
from faces.training.batch_norm import batch_norm_updater
from faces.training.optimizer import OptimizerSettings
from faces.training.trainer import Epoch, fit_model, validate_unchanged
from params import TrainEmotion, TrainKeypoints
from tasks.common.files import InputError
from tasks.models.keras_files import save_model
from tasks.orchestration.artifacts import Progress, log, log_markdown
from tasks.orchestration.decorators import task
from tasks.training.batches import batches_of, training_targets
from tasks.training.builders import batch_norm_samples, build_model, loss_of
from tasks.training.checkpoints import load_checkpoint, run_fingerprint, save_checkpoint
from tasks.training.data import TrainingData, TrainingInputs, load_training_data
from tasks.training.environment import training_backend
from tasks.training.pretrained import initialize_from
from tasks.training.report import training_report, write_curve, write_report


class TrainingOutputs(NamedTuple):
    """Files of a training: the model, the learning curve as CSV, and the report as JSON."""

    model: Path
    curve: Path
    report: Path


class _Training(NamedTuple):
    """One training: its name in messages, its settings, and where its checkpoint is kept."""

    name: str
    data: TrainingData
    settings: TrainKeypoints | TrainEmotion
    init_from: Path | None
    checkpoint: Path


@task
def train_model(
    name: str,
    inputs: TrainingInputs,
    settings: TrainKeypoints | TrainEmotion,
    checkpoints: Path,
    outputs: TrainingOutputs,
) -> Path:
    """Train on the training faces, validate after each epoch, save the best model; returns its path.

    An emotion model predicts all training classes. With `ensemble_size` over 1, the ensemble is saved; each of its
    models is the one that its seed alone gives. With distillation, only initial weights and dropout differ between
    them: the teachers' predictions are for the augmentation of one seed. An interrupted training resumes from its last
    checkpoint in the folder `checkpoints`, with the same result.
    """
    data = load_training_data(inputs, settings)
    progress = Progress(f"training-{name.replace(' ', '-')}", f"{name}: epochs trained")
    summary = _summary(build_model(data.train, settings, data.constants))
    log_markdown(f"architecture-{name.replace(' ', '-')}", f"```\n{summary}\n```", f"{name}: the model, layer by layer")
    models, histories = [], []
    for number in range(settings.ensemble_size):
        one = name if settings.ensemble_size == 1 else f"{name} {number + 1} of {settings.ensemble_size}"
        # A model of the ensemble depends on these settings alone, so its checkpoint is that of a single training.
        single = settings.model_copy(update={"seed": settings.seed + number, "ensemble_size": 1})
        fraction = 1 / settings.ensemble_size
        on_epoch = _epoch_logger(one, data.train.leakage_warning, progress, number * fraction, fraction)
        training = _Training(one, data, single, inputs.init_from, checkpoints / f"seed-{single.seed}.npz")
        model, epochs = _fit_one(training, settings.seed, on_epoch)
        models.append(model)
        histories.append(epochs)
    model = ensemble(models)
    save_model(model, outputs.model)
    write_curve(histories, outputs.curve)
    write_report(training_report(model, histories, inputs.init_from, settings.epochs), outputs.report)
    return outputs.model


def _fit_one(
    training: _Training, batches_seed: int, on_epoch: Callable[[Epoch], None]
) -> tuple[keras.Model, list[Epoch]]:
    """One model and its epochs; resumes from its checkpoint if there is one of this training.

    With distillation, batches and augmentation are those of `batches_seed`.
    """
    name, data, settings, init_from, _ = training
    keras.utils.set_random_seed(settings.seed)
    model = build_model(data.train, settings, data.constants)
    if init_from:
        initialize_from(model, init_from)
    validation = (data.validation.images, training_targets(data.validation))
    how: dict[str, Any] = {
        "loss": loss_of(data.train, settings),
        "metrics": ["accuracy"] if data.train.is_emotion else [],
    }
    if not settings.epochs:
        log(f"{name}: keeps the weights of {init_from}; 0 epochs")
        return model, validate_unchanged(model, validation, **how)
    log(
        f"{name}: {num_parameters(model):,} parameters, {data.faces.per_epoch} training faces, "
        f"{len(data.validation)} validation faces"
    )
    seed = batches_seed if data.distillation else settings.seed
    epochs = _fit(training, model, settings.model_copy(update={"seed": seed}), validation, how, on_epoch)
    return _in_full_precision(model, training), epochs


def _fit(
    training: _Training,
    model: keras.Model,
    of_batches: TrainKeypoints | TrainEmotion,
    validation: tuple,
    how: dict,
    on_epoch: Callable[[Epoch], None],
) -> list[Epoch]:
    """Train from the training's checkpoint on, and write one after each epoch; `of_batches` are settings of batches."""
    name, data, settings, init_from, path = training
    backend = training_backend()
    files = [*data.files, *([init_from] if init_from else [])]
    fingerprint = run_fingerprint(f"{settings.model_dump_json()} {of_batches.seed}", files)
    if checkpoint := load_checkpoint(path, fingerprint):
        log(f"{name}: resuming an interrupted training after epoch {len(checkpoint.epochs)}")
    return fit_model(
        model,
        batches_of(data.faces, of_batches, backend, data.distillation),
        validation,
        **how,
        optimizer=OptimizerSettings(**settings.optimizer.model_dump()),
        epochs=settings.epochs,
        patience=settings.patience,
        backend=backend,
        statistics=batch_norm_samples(data.train, settings),
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        on_checkpoint=lambda checkpoint: save_checkpoint(path, fingerprint, checkpoint),
    )


def _in_full_precision(model: keras.Model, training: _Training) -> keras.Model:
    """A float32 model of the same weights, with batch norm statistics of its own."""
    _, data, settings, _, _ = training
    if settings.precision == "float32":
        return model
    exact = build_model(data.train, settings.model_copy(update={"precision": "float32"}), data.constants)
    exact.set_weights(model.get_weights())
    if (images := batch_norm_samples(data.train, settings)) is not None:
        batch_norm_updater(exact, training_backend().compiled)(images)
    return exact


def _epoch_logger(
    name: str, leakage_warning: str, progress: Progress, start: float, fraction: float
) -> Callable[[Epoch], None]:
    """Logs each epoch; `start` and `fraction` are the fractions of the progress before these epochs and of them."""

    def on_epoch(epoch: Epoch) -> None:
        if not math.isfinite(epoch.metrics["val_loss"]):
            raise InputError(f"{name}: training diverged in epoch {epoch.number}; lower the learning_rate")
        progress.update(start + fraction * epoch.number / epoch.of)
        log(f"{name}: {_line(epoch)}{leakage_warning}")

    return on_epoch


def _summary(model: keras.Model) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=110)
    return "\n".join(lines)


def _line(epoch: Epoch) -> str:
    shown = " · ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
    left = (epoch.of - epoch.number) * epoch.seconds
    return f"epoch {epoch.number}/{epoch.of} · {shown} · {epoch.faces_per_second:.0f} faces/s · {left:.0f} s left"
