"""Trains a model, or an ensemble, and keeps the best epoch of each."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import pandas as pd

from faces.models.complexity import macs, num_parameters
from faces.models.ensemble import ensemble
from faces.training.optimizer import OptimizerSettings
from faces.training.trainer import Epoch, best_epoch, fit_model
from params import Teacher, TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset, concatenate, load_dataset
from tasks.common.files import InputError, replacing
from tasks.models.keras_files import save_model
from tasks.orchestration.artifacts import Progress, log, log_markdown
from tasks.orchestration.decorators import task
from tasks.training.batches import batches_of, training_targets
from tasks.training.builders import batch_norm_samples, build_model, for_teacher, loss_of
from tasks.training.checkpoints import load_checkpoint, run_fingerprint, save_checkpoint
from tasks.training.distillation import make_distillation


class _Data(NamedTuple):
    """The data of a training, and the files that they were read from."""

    train: FaceDataset
    validation: FaceDataset
    constants: dict[str, float]
    files: list[Path]


@task
def train_model(
    model_name: str,
    prepared: Path,
    settings: TrainKeypoints | TrainEmotion,
    checkpoints: Path,
    model_path: Path,
    curve: Path,
    report: Path,
) -> Path:
    """Train on the training split and its copies, validate after each epoch, save the best model.

    An emotion model predicts all training classes, or those of its teacher: see `for_teacher`.

    With `ensemble_size` over 1, the ensemble is saved; each of its models is the one that its seed alone gives.
    `report` holds the best epoch of each, the number of parameters and the MACs. An interrupted training resumes from
    its last checkpoint in the folder `checkpoints`, with the same result.
    """
    data = _load(prepared, settings.distillation)
    progress = Progress(f"training-{model_name}", f"{model_name}: epochs trained")
    summary = _summary(build_model(data.train, settings, data.constants))
    log_markdown(f"architecture-{model_name}", f"```\n{summary}\n```", f"{model_name}: the model, layer by layer")
    models, histories = [], []
    for number in range(settings.ensemble_size):
        name = model_name if settings.ensemble_size == 1 else f"{model_name} {number + 1} of {settings.ensemble_size}"
        # A model of the ensemble depends on these settings alone, so its checkpoint is that of a single training.
        single = settings.model_copy(update={"seed": settings.seed + number, "ensemble_size": 1})
        fraction = 1 / settings.ensemble_size
        on_epoch = _epoch_logger(name, data.train.leakage_warning, progress, number * fraction, fraction)
        model, epochs = _fit_one(name, data, single, checkpoints / f"seed-{single.seed}.npz", on_epoch)
        models.append(model)
        histories.append(epochs)
    model = ensemble(models)
    save_model(model, model_path)
    _write_curve(histories, curve)
    _write_report(model, histories, report)
    return model_path


def _load(prepared: Path, teacher: Teacher | None) -> _Data:
    files = [prepared / name for name in ("train.npz", "augmented.npz", "validation.npz", "normalization.json")]
    train, validation = concatenate([load_dataset(files[0]), load_dataset(files[1])]), load_dataset(files[2])
    if teacher:
        train, validation = for_teacher(train, validation, teacher)
    return _Data(train, validation, json.loads(files[3].read_text()), files)


def _fit_one(
    name: str,
    data: _Data,
    settings: TrainKeypoints | TrainEmotion,
    checkpoint_path: Path,
    on_epoch: Callable[[Epoch], None],
) -> tuple[keras.Model, list[Epoch]]:
    """One model and its epochs; resumes from `checkpoint_path` if there is a checkpoint of this training."""
    keras.utils.set_random_seed(settings.seed)
    train, validation = data.train, data.validation
    model = build_model(train, settings, data.constants)
    distillation = (
        make_distillation(model, train.classes.tolist(), settings.distillation) if settings.distillation else None
    )
    log(
        f"{name}: {num_parameters(model):,} parameters, {len(train)} training faces, {len(validation)} validation faces"
    )
    fingerprint = run_fingerprint(settings.model_dump_json(), data.files)
    checkpoint = load_checkpoint(checkpoint_path, fingerprint)
    if checkpoint:
        log(f"{name}: resuming an interrupted training after epoch {len(checkpoint.epochs)}")
    epochs = fit_model(
        model,
        batches_of(train, settings, distillation),
        (validation.images, training_targets(validation)),
        loss=loss_of(train, settings),
        metrics=["accuracy"] if train.is_emotion else [],
        optimizer=OptimizerSettings(**settings.optimizer.model_dump()),
        epochs=settings.epochs,
        patience=settings.patience,
        statistics=batch_norm_samples(train, settings),
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        on_checkpoint=lambda checkpoint: save_checkpoint(checkpoint_path, fingerprint, checkpoint),
    )
    return model, epochs


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


def _write_curve(histories: list[list[Epoch]], path: Path) -> None:
    """One row per epoch, numbered from 1 through all models of the ensemble."""
    rows = [{"member": number} | epoch.metrics for number, epochs in enumerate(histories, 1) for epoch in epochs]
    table = pd.DataFrame(rows)
    table.insert(1, "epoch", range(1, len(table) + 1))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def _write_report(model: keras.Model, histories: list[list[Epoch]], path: Path) -> None:
    content = {
        "parameters": num_parameters(model),
        "macs": macs(model),
        "best_epochs": [best_epoch(epochs).number for epochs in histories],
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _summary(model: keras.Model) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=110)
    return "\n".join(lines)


def _line(epoch: Epoch) -> str:
    shown = " · ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
    left = (epoch.of - epoch.number) * epoch.seconds
    return f"epoch {epoch.number}/{epoch.of} · {shown} · {epoch.faces_per_second:.0f} faces/s · {left:.0f} s left"
