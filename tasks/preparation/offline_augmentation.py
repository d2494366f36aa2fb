"""Copies of faces: mirrored, with left and right swapped, and brightened."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from faces.common.geometry import mirror_images, mirror_points
from faces.preparation.brightness import brighten
from params import Augment
from tasks.common.dataset import Part, joined, load_part, save_part
from tasks.orchestration.api import log, task


@task
def augment(head: str, prepared: Path, settings: Augment) -> Path:
    """Write copies of the training faces, and of no others, beside them: `augmented.npz`."""
    train = load_part(prepared / "train.npz")
    augmented = copies(train, settings)
    save_part(prepared / "augmented.npz", augmented)
    log(f"{head}: {len(train)} training faces, {len(augmented)} augmented copies")
    return prepared


def copies(part: Part, settings: Augment) -> Part:
    """A mirrored and a brightened copy of each face, by setting."""
    made = [part[:0]]
    if settings.mirror:
        targets = part.targets if part.is_emotion else mirror_points(part.targets, part.images.shape[2])
        made.append(replace(part, images=mirror_images(part.images), targets=targets, kinds=_kinds(part, "mirrored")))
    if settings.brightness:
        factors = np.random.default_rng(settings.seed).uniform(*settings.brightness, len(part))
        made.append(replace(part, images=brighten(part.images, factors), kinds=_kinds(part, "brightened")))
    return joined(made)


def _kinds(part: Part, kind: str) -> np.ndarray:
    return np.full(len(part), kind, "<U10")
