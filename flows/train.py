"""Stage `train@MODEL`: trains a model and keeps the weights of its best epoch."""

from pathlib import Path

import params
from tasks.orchestration.api import flow
from tasks.plots.training import draw_augmented_batch, report_training
from tasks.training.checkpoints import delete_checkpoints
from tasks.training.fit import train_model


@flow
def train(model_name: params.ModelName) -> None:
    """Train a model on its prepared faces."""
    settings = getattr(params.load().recipe, model_name).student
    prepared, checkpoints = Path(f"data/prepared/{model_name}"), Path(f"models/checkpoints/{model_name}")
    curve, model_path = Path(f"reports/train/{model_name}.csv"), Path(f"models/trained/{model_name}.keras")
    draw_augmented_batch(model_name, prepared, settings, Path(f"reports/train/{model_name}-augmented_batch.png"))
    train_model(
        model_name, prepared, settings, checkpoints, model_path, curve, Path(f"reports/train/{model_name}.json")
    )
    report_training(model_name, prepared, curve, Path(f"reports/train/{model_name}.png"))
    delete_checkpoints(checkpoints)


if __name__ == "__main__":
    from flows.stage import main

    main(train)
