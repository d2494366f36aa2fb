"""What a training leaves beside its model: the learning curve and a report."""

import json
from pathlib import Path

import keras
import pandas as pd

from faces.models.complexity import macs, num_parameters
from faces.training.trainer import Epoch, best_epoch
from tasks.common.files import replacing, sha256
from tasks.training.environment import training_environment


def write_curve(histories: list[list[Epoch]], path: Path) -> None:
    """One row per epoch, numbered from 1 through all models of the ensemble; epoch 0 if none is trained."""
    rows = [{"member": number} | epoch.metrics for number, epochs in enumerate(histories, 1) for epoch in epochs]
    table = pd.DataFrame(rows)
    if "loss" not in table:
        table["loss"] = float("nan")
    first = min(epoch.number for epochs in histories for epoch in epochs)
    table.insert(1, "epoch", range(first, first + len(table)))
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def training_report(
    model: keras.Model, histories: list[list[Epoch]], init_from: Path | None, epochs: int
) -> dict[str, object]:
    """Parameters, MACs and best epochs; the file and hash of the initial weights; backend, device and versions."""
    start = {"file": init_from.as_posix(), "sha256": sha256(init_from), "unchanged": not epochs} if init_from else None
    return {
        "parameters": num_parameters(model),
        "macs": macs(model),
        "best_epochs": [best_epoch(epochs).number for epochs in histories],
        "init_from": start,
        **training_environment(),
    }


def write_report(report: dict, path: Path) -> None:
    """Write a training report, or several by name, as JSON."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
