"""Training batches: shuffled, and augmented anew in every epoch."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

Augment = Callable[[np.random.Generator, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Distillation(NamedTuple):
    """`targets_of` computes targets from augmented faces and their labels, with a teacher.

    Epochs after the first `cached_epochs` replay their augmentations and the cached targets: the teacher is slower than
    the model that it teaches, and so processes each face at most `cached_epochs` times.
    """

    targets_of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    cached_epochs: int


class Batches(keras.utils.PyDataset):
    """All batches of some epochs in order, each of `batch_size` faces (batch_size, H, W) uint8 and their targets.

    Faces that do not fill a batch at the end of an epoch are skipped; every epoch is shuffled anew. A batch depends
    only on the seed, its epoch and its number in the epoch, so training can be resumed at any epoch.
    """

    def __init__(
        self,
        faces: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        seed: int,
        epochs: range,
        augment: Augment,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__()
        self._faces = faces
        self._targets = targets
        self.batch_size = min(batch_size, len(faces))
        self.steps = len(faces) // self.batch_size
        self._seed = seed
        self._epochs = epochs
        self._augment = augment
        self._distillation = distillation
        self._cached_targets: dict[tuple[int, int], np.ndarray] = {}

    def __len__(self) -> int:
        return self.steps * len(self._epochs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, number = self._epochs[index // self.steps], index % self.steps
        if self._distillation:
            epoch %= self._distillation.cached_epochs
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._faces))
        indices = order[number * self.batch_size : (number + 1) * self.batch_size]
        # From 1 on: for NumPy, [seed, epoch, 0] is the same seed as [seed, epoch].
        generator = np.random.default_rng([self._seed, epoch, 1 + number])
        faces, targets = self._augment(generator, self._faces[indices], self._targets[indices])
        if self._distillation is None:
            return faces, targets
        if (epoch, number) not in self._cached_targets:
            self._cached_targets[epoch, number] = self._distillation.targets_of(faces, targets)
        return faces, self._cached_targets[epoch, number]
