"""Stage `train@MODEL`: trains a model and keeps the weights of its best epoch."""

from pathlib import Path

import params
from tasks.training.checkpoints import delete_checkpoints
from tasks.training.data import TrainingInputs
from tasks.training.fit import TrainingOutputs, train_model
from tasks.training.pretrained import initial_weights


def train(settings: params.Params, model_name: params.ModelName) -> None:
    """Train a model on its prepared faces, and on what its teachers predict for them."""
    student = getattr(settings.recipe, model_name).student
    teachers, checkpoints = Path(f"models/teachers/{model_name}"), Path(f"models/checkpoints/{model_name}")
    inputs = TrainingInputs(
        Path(f"data/prepared/{model_name}"),
        initial_weights(student.init_from, teachers),
        Path(f"data/unlabeled/{model_name}"),
        Path(f"data/teacher_predictions/{model_name}"),
    )
    outputs = TrainingOutputs(
        Path(f"models/trained/{model_name}.keras"),
        Path(f"reports/train/{model_name}.csv"),
        Path(f"reports/train/{model_name}.json"),
    )
    train_model(model_name, inputs, student, checkpoints, outputs)
    delete_checkpoints(checkpoints)
