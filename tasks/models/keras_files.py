"""Saved models: one `.keras` file per model, the same bytes for the same weights, loaded in safe mode only."""

import re
import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import keras
import numpy as np

import faces.models.spatial_softmax  # noqa: F401  registers the layer of saved keypoints models
from tasks.common.files import InputError, replacing

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
SHARED_OBJECT = re.compile(rb'(?<="shared_object_id": )\d+')


def save_model(model: keras.Model, path: Path) -> None:
    """Write `model` with its kernels in half precision, which halves the file. Later stages evaluate this file.

    Equal models give equal bytes, so that DVC sees them as equal; Keras's own files differ with every run.
    """
    with TemporaryDirectory() as folder, replacing(path) as final:
        keras_file = Path(folder) / path.name
        # An uncompiled model of the same layers: otherwise the file has the optimizer, twice the size of the weights.
        keras.Model(model.input, model.output, name=model.name).save(keras_file)
        with zipfile.ZipFile(keras_file) as source, zipfile.ZipFile(final, "w") as target:
            stable = {
                "config.json": _renumbered(source.read("config.json")),
                "metadata.json": b"{}",  # Keras writes the time of saving
                "model.weights.h5": _halved(source.read("model.weights.h5")),
            }
            for name, content in stable.items():
                target.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), content)


def _renumbered(config: bytes) -> bytes:
    """Number shared objects in order of appearance; Keras uses their address in memory."""
    numbers: dict[bytes, bytes] = {}
    return SHARED_OBJECT.sub(lambda match: numbers.setdefault(match[0], b"%d" % len(numbers)), config)


def _halved(saved: bytes) -> bytes:
    """Kernels as float16, which Keras reads into float32; vectors, such as the variances, unchanged."""
    smaller = BytesIO()
    with h5py.File(BytesIO(saved)) as source, h5py.File(smaller, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                target.require_group(name).attrs.update(item.attrs)
            else:
                # HDF5's conversion is wrong by a factor of 2 if rounding carries into the exponent; NumPy's is right.
                weights = item[...]
                target[name] = weights.astype(np.float16) if weights.ndim > 1 else weights

        source.visititems(copy)
    return smaller.getvalue()


def load_model(path: Path) -> keras.Model:
    """The saved model. Raises InputError if the file is absent or Keras's safe mode does not accept it."""
    if not path.is_file():
        raise InputError(
            f"{path}: this model does not exist; `dvc repro` trains it, `dvc checkout` or `dvc pull` fetches it"
        )
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path}: not a model that Keras loads safely ({error}); `dvc checkout` restores it") from None
