"""Trains one head's network and keeps its best epoch."""

import json
import math
from pathlib import Path

import keras
import pandas as pd

from faces.learning_curve import learning_figure
from faces.losses import masked_smooth_l1
from faces.networks import emotion_network, initialise, keypoints_network
from faces.training import Epoch, fit_network
from params import Training
from tasks.files import InputError, replacing
from tasks.models import save_network
from tasks.orchestration import Progress, leave_markdown, leave_picture, log, task
from tasks.prepared import Part, joined, load_part


@task
def fit_head(head: str, prepared: Path, settings: Training, model: Path, curve: Path) -> Path:
    """Train on the training part and its copies, judge each epoch on validation, save the best network."""
    keras.utils.set_random_seed(settings.seed)
    train = joined([load_part(prepared / "train.npz"), load_part(prepared / "augmented.npz")])
    validation = load_part(prepared / "validation.npz")
    network = _build(head, train, settings, json.loads((prepared / "normalisation.json").read_text()))
    initialise(network, settings.seed)
    log(f"{head}: {network.count_params():,} parameters, {len(train)} faces to train on, {len(validation)} to judge by")
    leave_markdown(f"network-{head}", f"```\n{_summary(network)}\n```", f"{head}: the network, layer by layer")
    progress = Progress(f"training-{head}", f"{head}: epochs trained")
    epochs: list[Epoch] = []

    def tell(epoch: Epoch) -> None:
        if not math.isfinite(epoch.metrics["val_loss"]):
            raise InputError(f"{head}: training diverged in epoch {epoch.number}; lower train.{head}.learning_rate")
        epochs.append(epoch)
        progress.update(epoch.number / epoch.of)
        log(f"{head}: {_line(epoch)}{train.caution}")

    fit_network(
        network,
        (train.images, train.targets),
        (validation.images, validation.targets),
        loss="sparse_categorical_crossentropy" if train.is_emotion else masked_smooth_l1,
        metrics=["accuracy"] if train.is_emotion else [],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        tell=tell,
    )
    save_network(network, model)
    table = pd.DataFrame([{"epoch": epoch.number, **epoch.metrics} for epoch in epochs])
    with replacing(curve) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    return model


@task
def report_training(head: str, prepared: Path, curve: Path, picture: Path) -> None:
    """Leave the learning curves."""
    title = f"{head}: learning curves{load_part(prepared / 'validation.npz').caution}"
    table = pd.read_csv(curve)
    best = int(table["epoch"].iloc[table["val_loss"].argmin()])
    curves = {"training": table["loss"].tolist(), "validation": table["val_loss"].tolist()}
    with replacing(picture) as temporary:
        learning_figure(table["epoch"].tolist(), curves, best, title).savefig(temporary, dpi=110)
    leave_picture(f"learning-{head}", picture, title)


def _build(head: str, train: Part, settings: Training, constants: dict[str, float]) -> keras.Model:
    size = train.images.shape[1]
    if head == "emotion":
        return emotion_network(size, len(train.classes), settings.widths, settings.dropout, **constants)
    return keypoints_network(size, settings.widths, settings.dropout, **constants)


def _summary(network: keras.Model) -> str:
    lines: list[str] = []
    network.summary(print_fn=lines.append, line_length=110)
    return "\n".join(lines)


def _line(epoch: Epoch) -> str:
    shown = " · ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
    left = (epoch.of - epoch.number) * epoch.seconds
    return f"epoch {epoch.number}/{epoch.of} · {shown} · {epoch.faces_per_second:.0f} faces/s · {left:.0f} s left"
