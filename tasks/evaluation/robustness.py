"""How a network does when its test faces are corrupted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from faces.evaluation.corruptions import CORRUPTIONS, Corruption
from faces.models.tta import predictions_of
from faces.plots.evaluation import robustness_figure
from faces.plots.face_grid import faces_figure
from params import EvaluateHead
from tasks.common.dataset import Part, joined, load_part
from tasks.evaluation.predictions import (
    HEADLINE,
    METRIC_NAMES,
    flat,
    keep_picture,
    keep_table,
    load_evaluated,
    measured,
)
from tasks.models.keras_files import load_network
from tasks.orchestration.api import Progress, log, task

SEED, STEPS, CLEAN = 0, (1, 2, 3), "clean"


@task
def measure_robustness(
    head: str, prepared: Path, predictions: Path, model: Path, settings: EvaluateHead, folder: Path
) -> Path:
    """Write and leave the metrics under each corruption at three strengths, `robustness.csv`; strength 0 is clean.

    On at most `robustness_faces` test faces, by lot: the same ones for each corruption.
    """
    test = load_part(prepared / "test.npz")
    some = test[np.sort(np.random.default_rng(SEED).permutation(len(test))[: settings.robustness_faces])]
    log(f"{head}: corrupting {len(some)} test faces in {3 * len(CORRUPTIONS)} ways")
    network, how = load_network(model), load_evaluated(predictions).inference
    progress = Progress(f"corruptions-tried-{head}", f"{head}: corruptions tried")
    ways = [(one, step) for one in CORRUPTIONS for step in STEPS]

    def metrics(part: Part) -> dict[str, float]:
        return flat(measured(part, predictions_of(network, part.images, how)))

    rows = [{"corruption": CLEAN, "step": 0, "strength": 0.0, "unit": "", "faces": len(some), **metrics(some)}]
    for one, step in ways:
        strength, faces = one.strengths[step - 1], {"faces": len(some)}
        found = metrics(corrupted(some, one, step))
        rows.append({"corruption": one.name, "step": step, "strength": strength, "unit": one.unit, **faces, **found})
        progress.update(len(rows) / (1 + len(ways)))
    description = f"{head}: metrics on corrupted test faces{test.caution}"
    keep_table(rows, folder / "robustness.csv", f"robustness-{head}", description, HEADLINE[head])
    return folder / "robustness.csv"


@task
def draw_robustness(head: str, prepared: Path, table: Path, folder: Path) -> None:
    """Write and leave the headline metric over strength, and a few faces under each corruption."""
    test, rows, metric = load_part(prepared / "test.npz"), pd.read_csv(table), HEADLINE[head]
    ends = [metric, f"{metric}_low", f"{metric}_high"]
    lines = {one.name: rows.loc[rows["corruption"] == one.name, ends].to_numpy().T for one in CORRUPTIONS}
    labelled = {f"{one.name}: {_strengths(one)}": lines[one.name] for one in CORRUPTIONS}
    clean = rows.loc[rows["corruption"] == CLEAN, ends].to_numpy()[0]
    name, count = METRIC_NAMES[head], int(rows["faces"].max())
    title = f"{name} on {count} corrupted test faces{test.caution}"
    picture = robustness_figure(labelled, clean, name, title)
    keep_picture(picture, folder / "robustness.png", f"robustness-picture-{head}", f"{head}: {title}")
    shown = test[np.linspace(0, len(test) - 1, len(STEPS)).astype(int)]
    drawn = []
    for row, step in enumerate(STEPS):
        drawn += [each[row : row + 1] for each in (shown, *(corrupted(shown, one, step) for one in CORRUPTIONS))]
    captions = [
        each for step in STEPS for each in (CLEAN, *(f"{one.name} {one.strengths[step - 1]:g}" for one in CORRUPTIONS))
    ]
    faces = joined(drawn)
    points = None if test.is_emotion else faces.targets
    title = f"The corruptions, mild to strong from row to row{test.caution}"
    grid = faces_figure(faces.images, captions, title, points, columns=1 + len(CORRUPTIONS))
    keep_picture(grid, folder / "corruptions.png", f"corruptions-{head}", f"{head}: {title}")


def corrupted(part: Part, corruption: Corruption, step: int) -> Part:
    """The faces under a corruption at its strength 1, 2 or 3, their points moved along."""
    strength = corruption.strengths[step - 1]
    images = corruption.apply(part.images, strength, SEED)
    if part.is_emotion:
        return replace(part, images=images)
    return replace(part, images=images, targets=corruption.move(part.targets, strength, SEED, part.images.shape[2]))


def _strengths(one: Corruption) -> str:
    return f"{', '.join(f'{strength:g}' for strength in one.strengths)}\n({one.unit})"
