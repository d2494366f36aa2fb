"""Trains one head's network and keeps its best epoch."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import pandas as pd

from faces.models.complexity import multiply_adds
from faces.models.ensemble import mean_network
from faces.training.optimizer import Descent
from faces.training.trainer import Epoch, best_epoch, fit_network
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import Part, joined, load_part
from tasks.common.files import InputError, replacing
from tasks.models.keras_files import save_network
from tasks.orchestration.api import Progress, leave_markdown, log, task
from tasks.training.builders import answering_network, batches_of, built_network, class_shares, loss_of, statistics_of
from tasks.training.checkpoints import identity, keep_state, kept_state
from tasks.training.distillation import teaching_of


class _Given(NamedTuple):
    """What a head is trained on, and the files that it was read from."""

    train: Part
    validation: Part
    constants: dict[str, float]
    files: list[Path]


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
    which epoch of each was kept, and what the network costs. A training that was cut off goes on from its last
    whole epoch, which the folder `unfinished` holds, to the same network.
    """
    given = _given(prepared, taught=settings.teacher is not None)
    progress = Progress(f"training-{head}", f"{head}: epochs trained")
    summary = _summary(built_network(given.train, settings, given.constants))
    leave_markdown(f"network-{head}", f"```\n{summary}\n```", f"{head}: the network, layer by layer")
    networks, curves = [], []
    for number in range(settings.members):
        name = head if settings.members == 1 else f"{head} {number + 1} of {settings.members}"
        # What a member becomes follows from these alone, so its state is that of a training of its own.
        alone = settings.model_copy(update={"seed": settings.seed + number, "members": 1})
        kept = unfinished / f"seed-{alone.seed}.npz"
        tell = _teller(name, given.train.caution, progress, number / settings.members, 1 / settings.members)
        network, epochs = _fit_member(name, given, alone, kept, tell)
        if isinstance(settings, TrainEmotion):
            network = answering_network(name, network, given.train, given.validation, settings)
        networks.append(network)
        curves.append(epochs)
    network = mean_network(networks)
    save_network(network, model)
    _write_epochs(curves, curve)
    about = {
        "parameters": network.count_params(),
        "multiply_adds": multiply_adds(network),
        "best_epochs": [best_epoch(epochs).number for epochs in curves],
    }
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return model


def _given(prepared: Path, taught: bool) -> _Given:
    files = [prepared / name for name in ("train.npz", "augmented.npz", "validation.npz", "normalisation.json")]
    train, validation = joined([load_part(files[0]), load_part(files[1])]), load_part(files[2])
    if taught:
        train, validation = train.in_terms_of_answers(), validation.answered()
    return _Given(train, validation, json.loads(files[3].read_text()), files)


def _fit_member(
    name: str, given: _Given, settings: TrainKeypoints | TrainEmotion, kept: Path, tell: Callable[[Epoch], None]
) -> tuple[keras.Model, list[Epoch]]:
    """One network, trained from its state in `kept` if that is there, and its epochs."""
    keras.utils.set_random_seed(settings.seed)
    train, validation = given.train, given.validation
    network = built_network(train, settings, given.constants)
    teaching = teaching_of(network, train.classes.tolist(), settings.teacher) if settings.teacher else None
    log(f"{name}: {network.count_params():,} parameters, {len(train)} faces to train on, {len(validation)} to judge by")
    same = identity(settings.model_dump_json(), given.files)
    state = kept_state(kept, same)
    if state:
        log(f"{name}: taking up a training that was cut off after epoch {len(state.epochs)}")
    epochs = fit_network(
        network,
        batches_of(train, settings, teaching),
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


def _teller(name: str, caution: str, progress: Progress, begun: float, share: float) -> Callable[[Epoch], None]:
    """Tells of each epoch; `begun` of the whole work was done before the first, and `share` of it is theirs."""

    def tell(epoch: Epoch) -> None:
        if not math.isfinite(epoch.metrics["val_loss"]):
            raise InputError(f"{name}: training diverged in epoch {epoch.number}; lower the learning_rate")
        progress.update(begun + share * epoch.number / epoch.of)
        log(f"{name}: {_line(epoch)}{caution}")

    return tell


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
