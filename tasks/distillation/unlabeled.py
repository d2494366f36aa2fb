"""Training faces of the other model's table, on which a student is taught by its teachers' predictions alone."""

from pathlib import Path

from params import Distillation, Duplicates
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task


@task
def select_unlabeled(
    model_name: str, prepared: Path, distillation: Distillation | None, duplicates: Duplicates, folder: Path
) -> Path:
    """Write the other model's training faces, at this model's size, to `folder`; it stays empty if none are needed.

    Copies and near-duplicates of a validation or test face of either model are left out, and a second search, which
    shares no code with the first, checks what is written. `prepared` has a folder per model. Raises AssertionError if
    the check finds one, and InputError if fewer faces are left than the student needs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not distillation or not distillation.unlabeled_samples:
        log(f"{model_name}: the recipe uses no unlabelled faces")
        return folder
    # Imported here, because it imports SciPy and pandas.
    from tasks.distillation.selection import write_unlabeled

    write_unlabeled(model_name, prepared, distillation.unlabeled_samples, duplicates, folder)
    return folder
