"""Stage `predict_teacher@MODEL`: what the teachers predict for the faces that the student learns from."""

from pathlib import Path

import params
from tasks.distillation.predict import DistillationFolders, predict_teachers


def predict_teacher(settings: params.Params, model_name: params.ModelName) -> None:
    """Predict the augmented training faces of a model by its teachers."""
    recipe = getattr(settings.recipe, model_name)
    teachers = {name: teacher.model_dump(mode="json") for name, teacher in recipe.teachers.items()}
    folders = DistillationFolders(
        Path(f"data/prepared/{model_name}"),
        Path(f"data/unlabeled/{model_name}"),
        Path(f"models/teachers/{model_name}"),
        Path(f"models/pretrained/teachers/{model_name}"),
        Path(f"data/teacher_predictions/{model_name}"),
    )
    predict_teachers(model_name, folders, teachers, recipe.student)
