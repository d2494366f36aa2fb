"""What `fit` of Keras reads: on TensorFlow, `tf.data` without autotuning, which can hold up the end of a training."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from faces.training.batches import Batches

VALIDATION_BATCH_SIZE = 256
PREFETCHED_BATCHES = 4


def fit_inputs(batches: Batches, validation: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Arguments of `fit` for the training batches, and the validation faces (N, H, W) with their targets (N, ...).

    Keras itself has `tf.data` tune its buffers. The thread that does so sleeps for up to a minute, and `fit` has been
    seen to wait for it after the last epoch (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        return {"x": batches, "validation_data": validation, "validation_batch_size": VALIDATION_BATCH_SIZE}
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False

    def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from map(batches.__getitem__, range(len(batches)))

    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in batches[0])
    train = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(PREFETCHED_BATCHES)
    of_validation = tf.data.Dataset.from_tensor_slices(validation).batch(VALIDATION_BATCH_SIZE).prefetch(1)
    return {"x": train.with_options(options), "validation_data": of_validation.with_options(options)}
