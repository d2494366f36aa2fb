"""Draws a training: an augmented batch and the learning curves."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.plots.face_grid import faces_figure
from faces.plots.training import learning_figure
from faces.training.backend import host_backend
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import load_dataset
from tasks.orchestration.decorators import task
from tasks.plots.figure_files import save_figure
from tasks.training.batches import batches_of, training_faces

NUM_EXAMPLES = 16


@task
def draw_augmented_batch(
    model_name: str, prepared: Path, settings: TrainKeypoints | TrainEmotion, folder: Path
) -> None:
    """Write and log `augmented_batch.png`: sixteen augmented training images with their targets."""
    train = load_dataset(prepared / "train.npz")
    images, targets = batches_of(training_faces(train), settings, host_backend())(range(1))[0]
    images, targets = images[:NUM_EXAMPLES], targets[:NUM_EXAMPLES]
    captions = [_label(target, train.classes) if train.is_emotion else "" for target in targets]
    title = f"{model_name}: augmented training faces"
    figure = faces_figure(images, captions, title, None if train.is_emotion else targets)
    save_figure(figure, folder / "augmented_batch.png", f"augmented-batch-{model_name}", title)


@task
def draw_learning_curve(model_name: str, prepared: Path, curve: Path, folder: Path) -> None:
    """Write and log `learning_curve.png`; `curve` is the table of losses by epoch."""
    title = f"{model_name}: learning curves{load_dataset(prepared / 'validation.npz').leakage_warning}"
    table = pd.read_csv(curve)
    best = table["epoch"].loc[table.groupby("member")["val_loss"].idxmin()].tolist()
    curves = {"training": table["loss"].tolist(), "validation": table["val_loss"].tolist()}
    figure = learning_figure(table["epoch"].tolist(), curves, best, title)
    save_figure(figure, folder / "learning_curve.png", f"learning-{model_name}", title)


def _label(target: np.ndarray, classes: np.ndarray) -> str:
    """Returns the names of the classes of a soft target (classes,), with percentages where there are several."""
    present = np.flatnonzero(target > 0.005)
    return "\n".join(str(classes[k]) if len(present) == 1 else f"{classes[k]} {target[k]:.0%}" for k in present)
