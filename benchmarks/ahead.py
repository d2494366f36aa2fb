"""Training batches made by threads before they are asked for: an accelerator is faster than one thread distorts."""

from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from faces.training.batches import Batches

AHEAD, THREADS = 48, 12


class Ahead(keras.utils.PyDataset):
    """Batches, made by threads before they are asked for, and asked for in their order."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches, self._pool = batches, ThreadPoolExecutor(THREADS)
        self._made: dict[int, Future] = {}
        self.steps, self.batch_size = batches.steps, batches.batch_size

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        for number in range(index, min(index + AHEAD, len(self))):
            if number not in self._made:
                self._made[number] = self._pool.submit(self._batches.__getitem__, number)
        return self._made.pop(index).result()
