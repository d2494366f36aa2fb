"""Offline augmentation: mirrored copies, with left and right keypoints swapped, and brightened copies."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from faces.common.geometry import mirror_images, mirror_points
from faces.preparation.brightness import brighten
from params import OfflineAugmentation
from tasks.common.dataset import FaceDataset, concatenate, load_dataset, save_dataset
from tasks.orchestration.artifacts import counted, log
from tasks.orchestration.decorators import task


@task
def augment(model_name: str, prepared: Path, settings: OfflineAugmentation) -> Path:
    """Write copies of the training faces, and of no others, to `augmented.npz`."""
    train = load_dataset(prepared / "train.npz")
    augmented = copies(train, settings)
    save_dataset(prepared / "augmented.npz", augmented)
    made = counted(len(augmented), "augmented copy", "augmented copies")
    log(f"{model_name}: {counted(len(train), 'training face')}, {made}")
    return prepared


def copies(dataset: FaceDataset, settings: OfflineAugmentation) -> FaceDataset:
    """One mirrored and one brightened copy of each face, as far as the settings enable them."""
    made = [dataset[:0]]
    if settings.horizontal_flip:
        targets = dataset.targets
        if not dataset.is_emotion:
            targets = mirror_points(targets, dataset.images.shape[2])
        kinds = _kinds(dataset, "mirrored")
        made.append(replace(dataset, images=mirror_images(dataset.images), targets=targets, augmentation_kind=kinds))
    if settings.brightness:
        factors = np.random.default_rng(settings.seed).uniform(*settings.brightness, len(dataset))
        kinds = _kinds(dataset, "brightened")
        made.append(replace(dataset, images=brighten(dataset.images, factors), augmentation_kind=kinds))
    return concatenate(made)


def _kinds(dataset: FaceDataset, kind: str) -> np.ndarray:
    return np.full(len(dataset), kind, "<U10")
