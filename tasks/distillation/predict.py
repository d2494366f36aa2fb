"""Writes what each teacher predicts for the augmented faces that its student learns from."""

from pathlib import Path
from typing import Any, NamedTuple

from params import StudentEmotion, StudentKeypoints
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task


class DistillationFolders(NamedTuple):
    """`prepared` and `unlabeled` faces; `teachers` holds `NAME.keras`; a folder per teacher in the other two.

    `committed` are predictions that were made elsewhere, `predictions` those that the student learns from.
    """

    prepared: Path
    unlabeled: Path
    teachers: Path
    committed: Path
    predictions: Path


@task
def predict_teachers(
    model_name: str,
    folders: DistillationFolders,
    teachers: dict[str, dict[str, Any]],
    student: StudentKeypoints | StudentEmotion,
) -> Path:
    """Write the predictions of each teacher: float16, for the student's first `cached_epochs` epochs.

    `teachers` are the settings that each was trained by. Without distillation, the folder of predictions is empty, and
    Keras is not imported. Raises InputError if a teacher's outputs are not those of the student, or committed
    predictions are of other faces.
    """
    folders.predictions.mkdir(parents=True, exist_ok=True)
    if not student.distillation:
        log(f"{model_name}: the recipe uses no teachers' predictions")
        return folders.predictions
    # Imported here, because it imports Keras and its backend.
    from tasks.distillation.rounds import predict_rounds

    predict_rounds(model_name, folders, teachers, student)
    return folders.predictions
