"""Releases models that passed the gate as a folder with a generated page. Outside DVC's graph, as a promotion is."""

from pathlib import Path

import params
from tasks.orchestration.locks import exclusive_lock
from tasks.release.publishing import publish

GATE_RESULT = Path("reports/gate.json")


def release(settings: params.Params, name: str, out: Path | None) -> None:
    """Write the model set `name` to `out`, or to models/NAME if that is None."""
    presets = {"dataset": settings.dataset_name, "recipe": settings.recipe_name}
    # A pipeline run would change the models while they are copied.
    with exclusive_lock("the pipeline"):
        publish(name, presets, GATE_RESULT, out or Path("models", name))
