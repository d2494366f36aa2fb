"""Stage `train@MODEL`: trains a model and keeps the weights of its best epoch."""

from pathlib import Path

import params
from tasks.plots.training import draw_augmented_batch, report_training
from tasks.training.checkpoints import delete_checkpoints
from tasks.training.fit import train_model


def train(settings: params.Params, model_name: params.ModelName) -> None:
    """Train a model on its prepared faces."""
    recipe = getattr(settings.recipe, model_name).student
    prepared, checkpoints = Path(f"data/prepared/{model_name}"), Path(f"models/checkpoints/{model_name}")
    curve, model_path = Path(f"reports/train/{model_name}.csv"), Path(f"models/trained/{model_name}.keras")
    draw_augmented_batch(model_name, prepared, recipe, Path(f"reports/train/{model_name}-augmented_batch.png"))
    train_model(model_name, prepared, recipe, checkpoints, model_path, curve, Path(f"reports/train/{model_name}.json"))
    report_training(model_name, prepared, curve, Path(f"reports/train/{model_name}.png"))
    delete_checkpoints(checkpoints)
