"""Training batches: shuffled, distorted anew, and two faces mixed where the settings say so."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

Distort = Callable[[np.random.Generator, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Teaching(NamedTuple):
    """`teach` makes targets of faces and their labels, as both were distorted.

    After `rounds` epochs the distortions come again, and what was said of them then is said anew from memory: a teacher
    costs more than what it teaches, and sees `rounds` times all faces, not as often as there are epochs.
    """

    teach: Callable[[np.ndarray, np.ndarray], np.ndarray]
    rounds: int


class Batches(keras.utils.PyDataset):
    """All batches of some epochs, one after the other: `batch_size` faces (n, H, W) uint8 and their targets each.

    What is left over at the end of an epoch is not shown in it; the next one draws anew. A batch follows from the
    seed, its epoch and its number in that, and not from who asked for which batch before: so training can be taken up
    at any epoch.
    """

    def __init__(
        self,
        faces: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        seed: int,
        epochs: range,
        distort: Distort,
        teaching: Teaching | None = None,
    ) -> None:
        super().__init__()
        self._faces = faces
        self._targets = targets
        self.batch_size = min(batch_size, len(faces))
        self.steps = len(faces) // self.batch_size
        self._seed = seed
        self._epochs = epochs
        self._distort = distort
        self._teaching = teaching
        self._taught: dict[tuple[int, int], np.ndarray] = {}

    def __len__(self) -> int:
        return self.steps * len(self._epochs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, number = self._epochs[index // self.steps], index % self.steps
        if self._teaching:
            epoch %= self._teaching.rounds
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._faces))
        which = order[number * self.batch_size : (number + 1) * self.batch_size]
        # Numbers end in 1 and more: NumPy takes [seed, epoch] and [seed, epoch, 0] for the same.
        generator = np.random.default_rng([self._seed, epoch, 1 + number])
        faces, targets = self._distort(generator, self._faces[which], self._targets[which])
        if self._teaching is None:
            return faces, targets
        if (epoch, number) not in self._taught:
            self._taught[epoch, number] = self._teaching.teach(faces, targets)
        return faces, self._taught[epoch, number]
