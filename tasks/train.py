"""Trains one head's network and keeps its best epoch."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import keras
import pandas as pd

from faces.training import Descent, Epoch, best_epoch, fit_network
from params import TrainEmotion, TrainKeypoints
from tasks.files import InputError, replacing
from tasks.models import save_network
from tasks.networks import batches_of, built_network, class_shares, loss_of, statistics_of
from tasks.orchestration import Progress, leave_markdown, log, task
from tasks.prepared import joined, load_part
from tasks.unfinished import identity, keep_state, kept_state


@task
def fit_head(
    head: str,
    prepared: Path,
    settings: TrainKeypoints | TrainEmotion,
    unfinished: Path,
    model: Path,
    curve: Path,
    report: Path,
) -> Path:
    """Train on the training part and its copies, judge each epoch on validation, save the best network.

    `report` says which epoch was kept, and how many parameters there are. A training that was cut off goes on from its
    last whole epoch, which `unfinished` holds, to the same network.
    """
    keras.utils.set_random_seed(settings.seed)
    parts = [prepared / f"{name}.npz" for name in ("train", "augmented", "validation")]
    train, validation = joined([load_part(parts[0]), load_part(parts[1])]), load_part(parts[2])
    network = built_network(train, settings, json.loads((prepared / "normalisation.json").read_text()))
    log(f"{head}: {network.count_params():,} parameters, {len(train)} faces to train on, {len(validation)} to judge by")
    leave_markdown(f"network-{head}", f"```\n{_summary(network)}\n```", f"{head}: the network, layer by layer")
    same = identity(settings.model_dump_json(), [*parts, prepared / "normalisation.json"])
    state = kept_state(unfinished, same)
    if state:
        log(f"{head}: taking up a training that was cut off after epoch {len(state.epochs)}")
    epochs = fit_network(
        network,
        batches_of(train, settings),
        (validation.images, class_shares(validation)),
        loss=loss_of(train, settings),
        metrics=["accuracy"] if train.is_emotion else [],
        descent=Descent(**settings.descent.model_dump(exclude={"batch_size", "statistics_faces"})),
        statistics=statistics_of(train, settings),
        tell=_teller(head, train.caution),
        state=state,
        keep=lambda state: keep_state(unfinished, same, state),
    )
    save_network(network, model)
    _write_epochs(epochs, curve)
    about = {"parameters": network.count_params(), "best_epoch": best_epoch(epochs).number}
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return model


def _teller(head: str, caution: str) -> Callable[[Epoch], None]:
    progress = Progress(f"training-{head}", f"{head}: epochs trained")

    def tell(epoch: Epoch) -> None:
        if not math.isfinite(epoch.metrics["val_loss"]):
            raise InputError(f"{head}: training diverged in epoch {epoch.number}; lower the learning_rate")
        progress.update(epoch.number / epoch.of)
        log(f"{head}: {_line(epoch)}{caution}")

    return tell


def _write_epochs(epochs: list[Epoch], curve: Path) -> None:
    table = pd.DataFrame([{"epoch": epoch.number, **epoch.metrics} for epoch in epochs])
    with replacing(curve) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def _summary(network: keras.Model) -> str:
    lines: list[str] = []
    network.summary(print_fn=lines.append, line_length=110)
    return "\n".join(lines)


def _line(epoch: Epoch) -> str:
    shown = " · ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
    left = (epoch.of - epoch.number) * epoch.seconds
    return f"epoch {epoch.number}/{epoch.of} · {shown} · {epoch.faces_per_second:.0f} faces/s · {left:.0f} s left"
