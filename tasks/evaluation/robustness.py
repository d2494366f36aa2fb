"""Metrics on corrupted test images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from faces.evaluation.corruptions import CORRUPTIONS, Corruption
from faces.models.tta import predict
from faces.plots.evaluation import robustness_figure
from faces.plots.face_grid import faces_figure
from params import EvaluateModel
from tasks.common.dataset import FaceDataset, concatenate, load_dataset
from tasks.evaluation.predictions import (
    HEADLINE_METRIC,
    METRIC_NAMES,
    flat,
    load_predictions,
    metric_intervals,
    save_figure,
    save_table,
)
from tasks.models.keras_files import load_model
from tasks.orchestration.artifacts import Progress, log
from tasks.orchestration.decorators import task

SEED, STEPS, CLEAN = 0, (1, 2, 3), "clean"


@task
def measure_robustness(
    model_name: str, prepared: Path, predictions: Path, model_path: Path, settings: EvaluateModel, folder: Path
) -> Path:
    """Write and log metrics under each corruption at three strengths, `robustness.csv`; strength 0 is clean.

    They are measured on a random sample of at most `corruption_samples` test images, the same for each corruption.
    """
    test = load_dataset(prepared / "test.npz")
    sample = test[np.sort(np.random.default_rng(SEED).permutation(len(test))[: settings.corruption_samples])]
    log(f"{model_name}: corrupting {len(sample)} test faces in {3 * len(CORRUPTIONS)} ways")
    model, inference = load_model(model_path), load_predictions(predictions).inference
    progress = Progress(f"corruptions-tried-{model_name}", f"{model_name}: corruptions evaluated")
    variants = [(one, step) for one in CORRUPTIONS for step in STEPS]

    def metrics(dataset: FaceDataset) -> dict[str, float]:
        return flat(metric_intervals(dataset, predict(model, dataset.images, inference)))

    rows = [{"corruption": CLEAN, "step": 0, "strength": 0.0, "unit": "", "faces": len(sample), **metrics(sample)}]
    for one, step in variants:
        about = {"corruption": one.name, "step": step, "strength": one.strengths[step - 1], "unit": one.unit}
        rows.append({**about, "faces": len(sample), **metrics(corrupted(sample, one, step))})
        progress.update(len(rows) / (1 + len(variants)))
    description = f"{model_name}: metrics on corrupted test faces{test.leakage_warning}"
    save_table(rows, folder / "robustness.csv", f"robustness-{model_name}", description, HEADLINE_METRIC[model_name])
    return folder / "robustness.csv"


@task
def draw_robustness(model_name: str, prepared: Path, table: Path, folder: Path) -> None:
    """Write and log figures: the headline metric over strength, and three test images under each corruption."""
    test, rows, metric = load_dataset(prepared / "test.npz"), pd.read_csv(table), HEADLINE_METRIC[model_name]
    ends = [metric, f"{metric}_low", f"{metric}_high"]
    lines = {one.name: rows.loc[rows["corruption"] == one.name, ends].to_numpy().T for one in CORRUPTIONS}
    labelled = {f"{one.name}: {_strengths(one)}": lines[one.name] for one in CORRUPTIONS}
    clean = rows.loc[rows["corruption"] == CLEAN, ends].to_numpy()[0]
    name, count = METRIC_NAMES[model_name], int(rows["faces"].max())
    title = f"{name} on {count} corrupted test faces{test.leakage_warning}"
    figure = robustness_figure(labelled, clean, name, title)
    save_figure(figure, folder / "robustness.png", f"robustness-picture-{model_name}", f"{model_name}: {title}")
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


def corrupted(dataset: FaceDataset, corruption: Corruption, step: int) -> FaceDataset:
    """Returns the dataset under a corruption at step 1, 2 or 3; points are transformed with the images."""
    strength = corruption.strengths[step - 1]
    images = corruption.apply(dataset.images, strength, SEED)
    if dataset.is_emotion:
        return replace(dataset, images=images)
    points = corruption.move(dataset.targets, strength, SEED, dataset.images.shape[2])
    return replace(dataset, images=images, targets=points)


def _strengths(one: Corruption) -> str:
    return f"{', '.join(f'{strength:g}' for strength in one.strengths)}\n({one.unit})"
