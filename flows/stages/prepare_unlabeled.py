"""Stage `prepare_unlabeled@MODEL`: faces of the other table for distillation, none of a validation or test split."""

from pathlib import Path

import params
from tasks.distillation.unlabeled import select_unlabeled


def prepare_unlabeled(settings: params.Params, model_name: params.ModelName) -> None:
    """Select the unlabelled faces that a model's student is taught on."""
    distillation = getattr(settings.recipe, model_name).student.distillation
    duplicates = getattr(settings.dataset.prepare, model_name).duplicates
    select_unlabeled(model_name, Path("data/prepared"), distillation, duplicates, Path(f"data/unlabeled/{model_name}"))
