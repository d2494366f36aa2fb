"""Training batches prefetched by threads: an accelerator trains faster than one thread augments."""

from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from faces.training.batches import Batches

AHEAD, THREADS = 48, 12


class Prefetching(keras.utils.PyDataset):
    """Batches that threads prepare in advance; they must be requested in order."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches, self._pool = batches, ThreadPoolExecutor(THREADS)
        self._prefetched: dict[int, Future] = {}
        self.steps, self.batch_size = batches.steps, batches.batch_size

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        for number in range(index, min(index + AHEAD, len(self))):
            if number not in self._prefetched:
                self._prefetched[number] = self._pool.submit(self._batches.__getitem__, number)
        return self._prefetched.pop(index).result()
