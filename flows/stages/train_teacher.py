"""Stage `train_teacher@MODEL`: trains the teachers of the recipe."""

from pathlib import Path

import params
from tasks.distillation.teachers import train_teachers


def train_teacher(settings: params.Params, model_name: params.ModelName) -> None:
    """Train the teachers of a model on its prepared faces."""
    teachers = getattr(settings.recipe, model_name).teachers
    prepared, checkpoints = Path(f"data/prepared/{model_name}"), Path(f"models/checkpoints/{model_name}-teachers")
    folder, report = Path(f"models/teachers/{model_name}"), Path(f"reports/train_teacher/{model_name}.json")
    train_teachers(model_name, prepared, teachers, checkpoints, folder, report)
