"""Pictures of a training: what the network was shown, and how it learnt."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.plots.face_grid import faces_figure
from faces.plots.training import learning_figure
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import load_part
from tasks.common.files import replacing
from tasks.orchestration.api import leave_picture, task
from tasks.training.builders import batches_of

DRAWN = 16


@task
def draw_distorted(head: str, prepared: Path, settings: TrainKeypoints | TrainEmotion, picture: Path) -> None:
    """Write and leave sixteen training faces as the network gets them."""
    train = load_part(prepared / "train.npz")
    images, targets = batches_of(train, settings)(range(1))[0]
    images, targets = images[:DRAWN], targets[:DRAWN]
    captions = [_shares(share, train.classes) if train.is_emotion else "" for share in targets]
    title = f"{head}: training faces, distorted as in training"
    points = None if train.is_emotion else targets
    with replacing(picture) as temporary:
        faces_figure(images, captions, title, points).savefig(temporary, dpi=110)
    leave_picture(f"distorted-{head}", picture, title)


@task
def report_training(head: str, prepared: Path, curve: Path, picture: Path) -> None:
    """Leave the learning curves."""
    title = f"{head}: learning curves{load_part(prepared / 'validation.npz').caution}"
    table = pd.read_csv(curve)
    best = table["epoch"].loc[table.groupby("member")["val_loss"].idxmin()].tolist()
    curves = {"training": table["loss"].tolist(), "validation": table["val_loss"].tolist()}
    with replacing(picture) as temporary:
        learning_figure(table["epoch"].tolist(), curves, best, title).savefig(temporary, dpi=110)
    leave_picture(f"learning-{head}", picture, title)


def _shares(share: np.ndarray, classes: np.ndarray) -> str:
    present = np.flatnonzero(share > 0.005)
    return "\n".join(str(classes[k]) if len(present) == 1 else f"{classes[k]} {share[k]:.0%}" for k in present)
