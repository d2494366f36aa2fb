"""What differs between Keras's backends: compilation, where arrays are kept, and how batches are prepared."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import keras
import numpy as np

from faces.models.tensors import Tensor

Function = TypeVar("Function", bound=Callable[..., Tensor])


class Backend(NamedTuple):
    """How this process trains.

    `name` is Keras's backend. With `on_device`, faces are kept and augmented on the accelerator. `prefetch_threads`
    prepare batches in advance; 0 if `tf.data` does.
    """

    name: str
    on_device: bool
    prefetch_threads: int

    def compiled(self, function: Function) -> Function:
        """A function of arrays as the backend runs it fastest, with the same results: JAX compiles it."""
        if self.name != "jax":
            return function
        import jax

        compiled: Function = jax.jit(function)
        return compiled

    def placed(self, array: np.ndarray) -> Tensor:
        """An array, on the accelerator if faces are kept there."""
        return keras.ops.convert_to_tensor(array) if self.on_device else array

    def fetched(self, array: Tensor) -> Tensor:
        """A computed array for a batch: in NumPy unless faces are kept on the accelerator."""
        return array if self.on_device else np.asarray(array)


def jit_compile() -> bool | str:
    """Keras's `jit_compile`. With TensorFlow it would be XLA, which compiles for a minute and is no faster on CPUs."""
    return False if keras.backend.backend() == "tensorflow" else "auto"


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Keras's dtype policy of the layers that are made in this context."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def accelerator() -> str | None:
    """The name of the accelerator that Keras's backend computes on; None on a CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if devices else None
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else str(device.device_kind)
    return None


def this_backend(cores: int) -> Backend:
    """How Keras's backend trains fastest in this process, which may use this number of cores."""
    name, has_accelerator = keras.backend.backend(), accelerator() is not None
    threads = 0 if name == "tensorflow" else max(cores - 1, 1) if has_accelerator else 1
    return Backend(name, on_device=has_accelerator and name == "jax", prefetch_threads=threads)


def host_backend() -> Backend:
    """Faces are kept and augmented on the host, without prefetching."""
    return Backend(keras.backend.backend(), on_device=False, prefetch_threads=0)
