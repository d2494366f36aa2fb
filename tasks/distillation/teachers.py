"""Trains the teachers of a recipe."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from params import TrainEmotion, TrainKeypoints
from tasks.common.files import replacing
from tasks.orchestration.artifacts import log


def train_teachers(
    model_name: str,
    prepared: Path,
    teachers: Mapping[str, TrainKeypoints | TrainEmotion],
    checkpoints: Path,
    folder: Path,
    report: Path,
) -> None:
    """Train each teacher on the prepared faces of a model, and write `NAME.keras`, its curve and report to `folder`.

    `report` holds all training reports by name. An interrupted run resumes: what is done of a teacher is not trained
    again. Without teachers, the folder is empty, and Keras is not imported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not teachers:
        log(f"{model_name}: the recipe trains no teacher")
    for name, settings in teachers.items():
        _train(model_name, name, prepared, settings, checkpoints, folder)
    if checkpoints.exists():
        shutil.rmtree(checkpoints)
    reports = {name: json.loads((folder / f"{name}.json").read_text()) for name in teachers}
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(reports, indent=2) + "\n")


def _train(
    model_name: str,
    name: str,
    prepared: Path,
    settings: TrainKeypoints | TrainEmotion,
    checkpoints: Path,
    folder: Path,
) -> None:
    # Imported here, because they import Keras and its backend.
    from tasks.training.data import TrainingInputs
    from tasks.training.fit import TrainingOutputs, train_model

    inputs = TrainingInputs(prepared, Path(settings.init_from) if settings.init_from else None)
    outputs = TrainingOutputs(*(folder / f"{name}.{suffix}" for suffix in ("keras", "csv", "json")))
    train_model(f"{model_name} teacher {name}", inputs, settings, checkpoints / name, outputs)
