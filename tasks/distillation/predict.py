"""Writes what each teacher predicts for the augmented faces that its student learns from."""

from pathlib import Path
from typing import Any

from params import StudentEmotion, StudentKeypoints
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task


@task
def predict_teachers(
    model_name: str,
    prepared: Path,
    unlabeled: Path,
    teachers: dict[str, dict[str, Any]],
    student: StudentKeypoints | StudentEmotion,
    models: Path,
    committed: Path,
    folder: Path,
) -> Path:
    """Write the predictions of each teacher to `folder/NAME`: float16, for the student's first `cached_epochs` epochs.

    A teacher is the model `models/NAME.keras`, trained by the settings `teachers[NAME]`, or the folder of predictions
    `committed/NAME`, which is copied. Without distillation, the folder is empty, and Keras is not imported. Raises
    InputError if a teacher's outputs are not those of the student, or committed predictions are of other faces.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not student.distillation:
        log(f"{model_name}: the recipe uses no teachers' predictions")
        return folder
    # Imported here, because it imports Keras and its backend.
    from tasks.distillation.rounds import predict_rounds

    predict_rounds(model_name, prepared, unlabeled, teachers, student, models, committed, folder)
    return folder
