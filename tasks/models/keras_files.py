"""Saved networks: one `.keras` file a head, the same bytes for the same weights, loaded in safe mode only."""

import re
import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import keras
import numpy as np

import faces.models.spatial_softmax  # noqa: F401  registers the layer that saved key-point networks hold
from tasks.common.files import InputError, replacing

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
SHARED_OBJECT = re.compile(rb'(?<="shared_object_id": )\d+')


def save_network(network: keras.Model, path: Path) -> None:
    """Write `network` with its kernels in half precision: half the size, and what is judged is what was written.

    Equal networks give equal bytes, so that DVC sees them as equal; what Keras writes differs with every run.
    """
    with TemporaryDirectory() as folder, replacing(path) as final:
        as_keras_saves = Path(folder) / path.name
        # A model of the same layers that was never compiled: no optimizer, twice the size of the weights, in the file.
        keras.Model(network.input, network.output, name=network.name).save(as_keras_saves)
        with zipfile.ZipFile(as_keras_saves) as source, zipfile.ZipFile(final, "w") as target:
            stable = {
                "config.json": _renumbered(source.read("config.json")),
                "metadata.json": b"{}",  # held the time of saving
                "model.weights.h5": _halved(source.read("model.weights.h5")),
            }
            for name, content in stable.items():
                target.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), content)


def _renumbered(config: bytes) -> bytes:
    """Keras numbers objects that layers share by their address in memory; here, in order of appearance."""
    numbers: dict[bytes, bytes] = {}
    return SHARED_OBJECT.sub(lambda match: numbers.setdefault(match[0], b"%d" % len(numbers)), config)


def _halved(saved: bytes) -> bytes:
    """Kernels as float16, which Keras reads into float32; vectors, the variances among them, as they are."""
    smaller = BytesIO()
    with h5py.File(BytesIO(saved)) as source, h5py.File(smaller, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                target.require_group(name).attrs.update(item.attrs)
            else:
                # HDF5's own conversion halves a value whose rounding carries into the exponent; NumPy's is right.
                weights = item[...]
                target[name] = weights.astype(np.float16) if weights.ndim > 1 else weights

        source.visititems(copy)
    return smaller.getvalue()


def load_network(path: Path) -> keras.Model:
    """Raises InputError where the file is absent or not a network that Keras's safe mode accepts."""
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such network; `dvc repro` trains it, `dvc checkout` or `dvc pull` fetches it"
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{path}: not a network that can be loaded safely ({error}); `dvc checkout` restores it"
        ) from None
