"""Exports a published model set again. Outside DVC's graph, whose stage `export` exports what was trained here."""

from pathlib import Path

import params
from tasks.common.files import InputError
from tasks.release.export_set import export_model_set
from tasks.release.model_sets import GATE_RESULTS


def export(settings: params.Params, model_set: str, prepared: Path, out: Path | None) -> None:
    """Write both models of a published set in today's layers, with exports, to `out`, or in place of them if None."""
    published = [name for name in GATE_RESULTS if name != "workspace"]
    if model_set not in published:
        raise InputError(f"{model_set}: not a published model set; name one of {', '.join(published)}")
    gate_result = GATE_RESULTS[model_set]
    samples = settings.recipe.export.emotion.calibration_samples
    export_model_set(gate_result, prepared, samples, out or gate_result.parent)
