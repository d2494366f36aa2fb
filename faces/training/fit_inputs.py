"""What `fit` of Keras reads: `tf.data` without autotuning on TensorFlow, batches prepared by threads elsewhere."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from faces.models.tensors import Tensor
from faces.training.batches import Batches

VALIDATION_BATCH_SIZE = 256
PREFETCHED_BATCHES = 4


def fit_inputs(
    batches: Batches, validation: tuple[np.ndarray, np.ndarray], prefetch_threads: int = 0
) -> dict[str, Any]:
    """Arguments of `fit` for the training batches, and the validation faces (N, H, W) with their targets (N, ...).

    Keras itself has `tf.data` tune its buffers. The thread that does so sleeps for up to a minute, and `fit` has been
    seen to wait for it after the last epoch (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        train = Prefetching(batches, prefetch_threads) if prefetch_threads else batches
        return {"x": train, "validation_data": validation, "validation_batch_size": VALIDATION_BATCH_SIZE}
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False

    def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from map(batches.__getitem__, range(len(batches)))

    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in batches[0])
    train = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(PREFETCHED_BATCHES)
    of_validation = tf.data.Dataset.from_tensor_slices(validation).batch(VALIDATION_BATCH_SIZE).prefetch(1)
    return {"x": train.with_options(options), "validation_data": of_validation.with_options(options)}


class Prefetching(keras.utils.PyDataset):  # type: ignore[misc]  # mypy does not read Keras
    """Batches that threads prepare in advance. They must be requested in order, each once.

    Keras's own workers start anew in every epoch, and cannot be counted on to stay ahead of an accelerator.
    """

    def __init__(self, batches: Batches, threads: int) -> None:
        super().__init__()
        self._batches, self._pool, self._ahead = batches, ThreadPoolExecutor(threads), PREFETCHED_BATCHES * threads
        self._prefetched: dict[int, Future[tuple[Tensor, Tensor]]] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        for number in range(index, min(index + self._ahead, len(self))):
            if number not in self._prefetched:
                self._prefetched[number] = self._pool.submit(self._batches.__getitem__, number)
        return self._prefetched.pop(index).result()
