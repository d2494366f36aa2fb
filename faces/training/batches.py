"""Training batches: shuffled, and augmented anew in every epoch."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from faces.models.tensors import Tensor
from faces.training.distillation import distillation_targets

Augment = Callable[[np.random.Generator, Tensor, np.ndarray], tuple[Tensor, Tensor]]
"""From a generator, images (N, H, W) uint8 and targets (N, ...) to augmented ones."""


class TrainingFaces(NamedTuple):
    """`num_labeled` labelled faces, then unlabelled ones, of which `unlabeled_samples` are drawn for each epoch.

    `images` (N, H, W) uint8, in NumPy or on a device; `targets` (N, ...), those of unlabelled faces NaN or all 0.
    """

    images: Tensor
    targets: np.ndarray
    num_labeled: int
    unlabeled_samples: int = 0

    @property
    def per_epoch(self) -> int:
        """Faces of an epoch."""
        return self.num_labeled + self.unlabeled_samples

    def epoch_indices(self, seed: int, epoch: int) -> np.ndarray:
        """Indices (per_epoch,) of an epoch's faces: all labelled ones, then its unlabelled ones."""
        labelled = np.arange(self.num_labeled)
        if not self.unlabeled_samples:
            return labelled
        generator = np.random.default_rng([seed, epoch, 0, 1])
        unlabelled = np.arange(self.num_labeled, len(self.targets))
        return np.concatenate([labelled, generator.choice(unlabelled, self.unlabeled_samples, replace=False)])


class Distillation(NamedTuple):
    """Mean predictions of the teachers for the augmented faces of the first epochs, which later epochs replay.

    `predictions` (epochs, faces of an epoch, ...) are in the order of `TrainingFaces.epoch_indices`, NaN for faces
    in no batch. `teacher_weight` of every target is the prediction.
    """

    predictions: np.ndarray
    teacher_weight: float


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # mypy does not read Keras
    """All batches of some epochs in order, each of `batch_size` faces (batch_size, H, W) uint8 and their targets.

    Faces that do not fill a batch at the end of an epoch are skipped; every epoch is shuffled anew. A batch depends
    only on the seed, its epoch and its number in the epoch, so training can be resumed at any epoch.
    """

    def __init__(
        self,
        faces: TrainingFaces,
        batch_size: int,
        seed: int,
        epochs: range,
        augment: Augment,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__()
        self._faces = faces
        self.batch_size = min(batch_size, faces.per_epoch)
        self.steps = faces.per_epoch // self.batch_size
        self._seed = seed
        self._epochs = epochs
        self._augment = augment
        self._distillation = distillation

    def __len__(self) -> int:
        return self.steps * len(self._epochs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        epoch, number = self._epochs[index // self.steps], index % self.steps
        if self._distillation is None:
            return self.augmented(epoch, number)[1:]
        epoch %= len(self._distillation.predictions)
        positions, faces, targets = self.augmented(epoch, number)
        predictions = self._distillation.predictions[epoch, positions].astype(np.float32)
        return faces, distillation_targets(targets, predictions, self._distillation.teacher_weight)

    def augmented(self, epoch: int, number: int) -> tuple[np.ndarray, Tensor, Tensor]:
        """A batch of an epoch before distillation: positions in the epoch's order, augmented faces and targets."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._faces.per_epoch)
        positions = order[number * self.batch_size : (number + 1) * self.batch_size]
        indices = self._faces.epoch_indices(self._seed, epoch)[positions]
        # From 1 on: for NumPy, [seed, epoch, 0] is the same seed as [seed, epoch].
        generator = np.random.default_rng([self._seed, epoch, 1 + number])
        return positions, *self._augment(generator, self._faces.images[indices], self._faces.targets[indices])
