"""Draws a model's headline metric on slices of the test split and on corrupted test images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from faces.evaluation.corruptions import CORRUPTIONS, Corruption
from faces.plots.evaluation import robustness_figure, slices_figure
from faces.plots.face_grid import faces_figure
from tasks.common.dataset import concatenate, load_dataset
from tasks.evaluation.corrupted import CLEAN, STEPS, corrupted
from tasks.evaluation.predictions import HEADLINE_METRIC, METRIC_NAMES
from tasks.orchestration.artifacts import counted
from tasks.orchestration.decorators import task
from tasks.plots.figure_files import save_figure


@task
def draw_slices(model_name: str, prepared: Path, tables: Path, metrics: Path, folder: Path) -> None:
    """Write and log `slices.png`: the headline metric by slice, from `slices.csv` in `tables`, and of all faces."""
    rows, metric = pd.read_csv(tables / "slices.csv", dtype={"slice": str}), HEADLINE_METRIC[model_name]
    overall, warning = json.loads(metrics.read_text())[metric], load_dataset(prepared / "test.npz").leakage_warning
    names = [f"{name} ({counted(faces, 'face')})" for name, faces in zip(rows["slice"], rows["faces"], strict=True)]
    labels, ends = list(zip(rows["property"], names, strict=True)), rows[_columns(metric)].to_numpy(float).T
    title = f"{METRIC_NAMES[model_name]} by slice{warning}"
    figure = slices_figure(labels, ends, overall, METRIC_NAMES[model_name], title)
    save_figure(figure, folder / "slices.png", f"slices-picture-{model_name}", f"{model_name}: {title}")


@task
def draw_robustness(model_name: str, prepared: Path, tables: Path, folder: Path) -> None:
    """Write and log `robustness.png`: the headline metric over strength, from `robustness.csv` in `tables`."""
    test, rows = load_dataset(prepared / "test.npz"), pd.read_csv(tables / "robustness.csv")
    columns = _columns(HEADLINE_METRIC[model_name])
    lines = {one.name: rows.loc[rows["corruption"] == one.name, columns].to_numpy().T for one in CORRUPTIONS}
    labelled = {f"{one.name}: {_strengths(one)}": lines[one.name] for one in CORRUPTIONS}
    clean = rows.loc[rows["corruption"] == CLEAN, columns].to_numpy()[0]
    name, count = METRIC_NAMES[model_name], int(rows["faces"].max())
    title = f"{name} on {count} corrupted test faces{test.leakage_warning}"
    figure = robustness_figure(labelled, clean, name, title)
    save_figure(figure, folder / "robustness.png", f"robustness-picture-{model_name}", f"{model_name}: {title}")


@task
def draw_corruptions(model_name: str, prepared: Path, folder: Path) -> None:
    """Write and log `corruptions.png`: three test images under each corruption, one at each step of strength."""
    test = load_dataset(prepared / "test.npz")
    shown = test[np.linspace(0, len(test) - 1, len(STEPS)).astype(int)]
    cells = []
    for row, step in enumerate(STEPS):
        cells += [each[row : row + 1] for each in (shown, *(corrupted(shown, one, step) for one in CORRUPTIONS))]
    captions = [
        each for step in STEPS for each in (CLEAN, *(f"{one.name} {one.strengths[step - 1]:g}" for one in CORRUPTIONS))
    ]
    examples = concatenate(cells)
    points = None if test.is_emotion else examples.targets
    title = f"Corruptions, from mild (top) to strong (bottom){test.leakage_warning}"
    grid = faces_figure(examples.images, captions, title, points, columns=1 + len(CORRUPTIONS))
    save_figure(grid, folder / "corruptions.png", f"corruptions-{model_name}", f"{model_name}: {title}")


def _columns(metric: str) -> list[str]:
    return [metric, f"{metric}_low", f"{metric}_high"]


def _strengths(one: Corruption) -> str:
    return f"{', '.join(f'{strength:g}' for strength in one.strengths)}\n({one.unit})"
