"""Trains one head's network and keeps its best epoch."""

import json
import math
from pathlib import Path

import keras
import pandas as pd

from faces.networks.mean import mean_network
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

    With several `members`, their mean is saved, and each is the network that its seed alone would give. `report` says
    which epoch of each was kept, and how many parameters there are. A training that was cut off goes on from its last
    whole epoch, which the folder `unfinished` holds, to the same network.
    """
    progress = Progress(f"training-{head}", f"{head}: epochs trained")
    fitted = [_fit_member(head, number, prepared, settings, unfinished, progress) for number in range(settings.members)]
    network = mean_network([network for network, _ in fitted])
    save_network(network, model)
    curves = [epochs for _, epochs in fitted]
    _write_epochs(curves, curve)
    about = {"parameters": network.count_params(), "best_epochs": [best_epoch(epochs).number for epochs in curves]}
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return model


def _fit_member(
    head: str,
    number: int,
    prepared: Path,
    settings: TrainKeypoints | TrainEmotion,
    unfinished: Path,
    progress: Progress,
) -> tuple[keras.Model, list[Epoch]]:
    of, name = settings.members, f"{head} {number + 1} of {settings.members}" if settings.members > 1 else head
    # What a member becomes follows from these alone, so that its state is that of a training of its own.
    settings = settings.model_copy(update={"seed": settings.seed + number, "members": 1})
    keras.utils.set_random_seed(settings.seed)
    parts = [prepared / f"{name}.npz" for name in ("train", "augmented", "validation")]
    train, validation = joined([load_part(parts[0]), load_part(parts[1])]), load_part(parts[2])
    network = built_network(train, settings, json.loads((prepared / "normalisation.json").read_text()))
    log(f"{name}: {network.count_params():,} parameters, {len(train)} faces to train on, {len(validation)} to judge by")
    leave_markdown(f"network-{head}", f"```\n{_summary(network)}\n```", f"{head}: the network, layer by layer")
    same = identity(settings.model_dump_json(), [*parts, prepared / "normalisation.json"])
    kept = unfinished / f"seed-{settings.seed}.npz"
    state = kept_state(kept, same)
    if state:
        log(f"{name}: taking up a training that was cut off after epoch {len(state.epochs)}")

    def tell(epoch: Epoch) -> None:
        if not math.isfinite(epoch.metrics["val_loss"]):
            raise InputError(f"{name}: training diverged in epoch {epoch.number}; lower the learning_rate")
        progress.update((number + epoch.number / epoch.of) / of)
        log(f"{name}: {_line(epoch)}{train.caution}")

    epochs = fit_network(
        network,
        batches_of(train, settings),
        (validation.images, class_shares(validation)),
        loss=loss_of(train, settings),
        metrics=["accuracy"] if train.is_emotion else [],
        descent=Descent(**settings.descent.model_dump(exclude={"batch_size", "statistics_faces"})),
        statistics=statistics_of(train, settings),
        tell=tell,
        state=state,
        keep=lambda state: keep_state(kept, same, state),
    )
    return network, epochs


def _write_epochs(curves: list[list[Epoch]], path: Path) -> None:
    """A line an epoch, counted on from member to member."""
    rows = [{"member": number} | epoch.metrics for number, epochs in enumerate(curves, 1) for epoch in epochs]
    table = pd.DataFrame(rows)
    table.insert(1, "epoch", range(1, len(table) + 1))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def _summary(network: keras.Model) -> str:
    lines: list[str] = []
    network.summary(print_fn=lines.append, line_length=110)
    return "\n".join(lines)


def _line(epoch: Epoch) -> str:
    shown = " · ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
    left = (epoch.of - epoch.number) * epoch.seconds
    return f"epoch {epoch.number}/{epoch.of} · {shown} · {epoch.faces_per_second:.0f} faces/s · {left:.0f} s left"
