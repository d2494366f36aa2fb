"""Stage `train@MODEL`: trains a model and keeps the weights of its best epoch."""

from pathlib import Path

import params
from tasks.training.checkpoints import delete_checkpoints
from tasks.training.fit import train_model


def train(settings: params.Params, model_name: params.ModelName) -> None:
    """Train a model on its prepared faces."""
    student = getattr(settings.recipe, model_name).student
    prepared, checkpoints = Path(f"data/prepared/{model_name}"), Path(f"models/checkpoints/{model_name}")
    curve, model_path = Path(f"reports/train/{model_name}.csv"), Path(f"models/trained/{model_name}.keras")
    train_model(model_name, prepared, student, checkpoints, model_path, curve, Path(f"reports/train/{model_name}.json"))
    delete_checkpoints(checkpoints)
