"""Exports a published model set again. Outside DVC's graph, whose stage `export` exports what was trained here."""

from pathlib import Path

import params
from tasks.common.files import InputError
from tasks.release.export_set import export_model_set
from tasks.release.model_sets import GATE_RESULTS, PUBLISHED


def export(settings: params.Params, model_set: str, prepared: Path, out: Path) -> None:
    """Write both models of a published set in today's layers, with exports, to `out`."""
    if model_set not in PUBLISHED:
        raise InputError(f"{model_set}: not a published model set; name one of {', '.join(PUBLISHED)}")
    samples = settings.recipe.export.emotion.calibration_samples
    export_model_set(GATE_RESULTS[model_set], prepared, samples, out)
