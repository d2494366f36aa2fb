"""Trains one head's network and keeps its best epoch."""

import json
import math
from pathlib import Path

import keras
import pandas as pd

from faces.calibration import fit_temperature
from faces.training import Descent, Epoch, State, best_epoch, fit_network
from params import TrainEmotion, TrainKeypoints
from tasks.files import InputError, replacing
from tasks.models import save_network
from tasks.networks import batches_of, built_network, class_shares, loss_of
from tasks.orchestration import Progress, leave_markdown, log, task
from tasks.prepared import Part, joined, load_part
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

    Temperature scaling of the emotion's probabilities, fitted on validation, is folded into its last layer; `report`
    says by how much, which epoch was kept, and how many parameters there are. A training that was cut off goes on from
    its last whole epoch, which `unfinished` holds, to the same network.
    """
    keras.utils.set_random_seed(settings.seed)
    parts = [prepared / f"{name}.npz" for name in ("train", "augmented", "validation")]
    train, validation = joined([load_part(parts[0]), load_part(parts[1])]), load_part(parts[2])
    network = built_network(train, settings, json.loads((prepared / "normalisation.json").read_text()))
    log(f"{head}: {network.count_params():,} parameters, {len(train)} faces to train on, {len(validation)} to judge by")
    leave_markdown(f"network-{head}", f"```\n{_summary(network)}\n```", f"{head}: the network, layer by layer")
    progress = Progress(f"training-{head}", f"{head}: epochs trained")
    same = identity(settings.model_dump_json(), [*parts, prepared / "normalisation.json"])
    state = kept_state(unfinished, same)
    if state:
        log(f"{head}: taking up a training that was cut off after epoch {len(state.epochs)}")

    def tell(epoch: Epoch) -> None:
        if not math.isfinite(epoch.metrics["val_loss"]):
            raise InputError(f"{head}: training diverged in epoch {epoch.number}; lower the learning_rate")
        progress.update(epoch.number / epoch.of)
        log(f"{head}: {_line(epoch)}{train.caution}")

    def keep(state: State) -> None:
        keep_state(unfinished, same, state)

    epochs = fit_network(
        network,
        batches_of(train, settings),
        (validation.images, class_shares(validation)),
        loss=loss_of(train, settings),
        metrics=["accuracy"] if train.is_emotion else [],
        descent=Descent(**settings.descent.model_dump(exclude={"batch_size"})),
        tell=tell,
        state=state,
        keep=keep,
    )
    about: dict[str, float] = {"parameters": network.count_params(), "best_epoch": best_epoch(epochs).number}
    if validation.is_emotion:
        about["temperature"] = _calibrate(network, validation)
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    save_network(network, model)
    table = pd.DataFrame([{"epoch": epoch.number, **epoch.metrics} for epoch in epochs])
    with replacing(curve) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    return model


def _calibrate(network: keras.Model, validation: Part) -> float:
    """Fit the temperature on validation faces and divide the last layer's kernel and bias by it."""
    temperature = fit_temperature(validation.targets, network.predict(validation.images, verbose=0))
    last = network.get_layer("probabilities")
    for weights in (last.kernel, last.bias):
        weights.assign(weights / temperature)
    return temperature


def _summary(network: keras.Model) -> str:
    lines: list[str] = []
    network.summary(print_fn=lines.append, line_length=110)
    return "\n".join(lines)


def _line(epoch: Epoch) -> str:
    shown = " · ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
    left = (epoch.of - epoch.number) * epoch.seconds
    return f"epoch {epoch.number}/{epoch.of} · {shown} · {epoch.faces_per_second:.0f} faces/s · {left:.0f} s left"
