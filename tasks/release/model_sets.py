"""The model sets that can be chosen by name: of the workspace, released into models/NAME, or registered."""

from pathlib import Path

from tasks.common.files import InputError
from tasks.models.approved_models import ApprovedModels, Classes, load_approved_models
from tasks.orchestration.git_revision import trouble

PUBLISHED = ("released", "fast")
"""The model sets that are published with this project."""
GATE_RESULTS = {"workspace": Path("reports/gate.json")} | {
    name: Path("models", name, "gate.json") for name in PUBLISHED
}
"""Gate results of the model sets that are no registered versions, relative to the project's folder."""


def load_model_set(model_set: str, classes: Classes = "auto") -> tuple[ApprovedModels, str]:
    """The approved models of a model set, and the model version for the table of predictions.

    `classes` are those of `load_approved_models`. Raises InputError if there is no such model set, or it did not pass
    the gate.
    """
    if model_set in GATE_RESULTS:
        return load_approved_models(GATE_RESULTS[model_set], classes=classes), model_set
    released = Path("models", model_set, "gate.json")
    if Path(model_set).name == model_set and released.is_file():
        return load_approved_models(released, released.parent, classes), model_set
    if why := trouble():
        raise InputError(f"{model_set}: not one of {', '.join(GATE_RESULTS)}, and there are no versions: {why}")
    # Loads GTO and DVC, which the published sets do without.
    from tasks.release.registry import MODEL_FILES, fetch

    gate_result = fetch(model_set)
    return load_approved_models(gate_result, gate_result.parent / MODEL_FILES, classes), gate_result.parent.name
