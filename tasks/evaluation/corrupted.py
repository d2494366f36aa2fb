"""Datasets under the corruptions of the robustness measurement."""

from dataclasses import replace

from faces.evaluation.corruptions import Corruption
from tasks.common.dataset import FaceDataset

SEED, STEPS, CLEAN = 0, (1, 2, 3), "clean"
"""Seed of every corruption, its three steps of strength, and the name of no corruption."""


def corrupted(dataset: FaceDataset, corruption: Corruption, step: int) -> FaceDataset:
    """Returns the dataset under a corruption at step 1, 2 or 3; points are transformed with the images."""
    strength = corruption.strengths[step - 1]
    images = corruption.apply(dataset.images, strength, SEED)
    if dataset.is_emotion:
        return replace(dataset, images=images)
    points = corruption.move(dataset.targets, strength, SEED, dataset.images.shape[2])
    return replace(dataset, images=images, targets=points)
