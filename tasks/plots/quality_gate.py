"""Draws a model's checks of the quality gate, whether or not the gate has run or passed."""

import json
from pathlib import Path

from faces.plots.quality_gate import gate_figure
from params import GateEmotion, GateKeypoints
from tasks.orchestration.decorators import task
from tasks.plots.figure_files import save_figure
from tasks.release.quality_gate import model_checks


@task
def draw_gate(
    model_name: str, metrics: Path, tables: Path, thresholds: GateKeypoints | GateEmotion, folder: Path
) -> None:
    """Write and log `gate.png`: each checked metric with its interval and threshold."""
    figure = gate_figure(model_checks(json.loads(metrics.read_text()), tables, thresholds))
    description = f"{model_name}: each metric of the quality gate, its 95% interval and its threshold"
    save_figure(figure, folder / "gate.png", f"gate-figure-{model_name}", description)
