"""Stage `train@MODEL`: trains a model and keeps the weights of its best epoch."""

from pathlib import Path

import params
from tasks.orchestration.api import flow
from tasks.training.checkpoints import delete_checkpoints
from tasks.training.fit import train_model


@flow
def train(model_name: params.ModelName) -> None:
    """Train a model on its prepared faces."""
    settings = getattr(params.load().train.chosen, model_name)
    prepared, checkpoints = Path(f"data/prepared/{model_name}"), Path(f"models/checkpoints/{model_name}")
    curve, model_path = Path(f"reports/train/{model_name}.csv"), Path(f"models/trained/{model_name}.keras")
    train_model(
        model_name, prepared, settings, checkpoints, model_path, curve, Path(f"reports/train/{model_name}.json")
    )
    delete_checkpoints(checkpoints)


if __name__ == "__main__":
    from flows.stage import main

    main(train)
