"""Exports Keras models to ONNX, which scoring runs and any runtime opens."""

import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import onnx

from faces.models.onnx_graph import with_stable_names
from faces.models.portable import portable
from tasks.common.files import InputError
from tasks.models.keras_files import load_model
from tasks.models.quantization import save_onnx


def export_float32(model: keras.Model, path: Path) -> None:
    """Write a model as ONNX in float32; equal models give equal bytes."""
    model = portable(model)
    # The converter fails on a model that was loaded and never called.
    model(np.zeros((1, *model.input.shape[1:]), np.uint8))
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        file = str(Path(folder) / "model.onnx")
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks numpy for `np.object`
        model.export(file, format="onnx", verbose=False)
        exported = onnx.load(file)
    save_onnx(with_stable_names(exported, model.name, model.output.shape[1:]), path)


if __name__ == "__main__":
    try:
        export_float32(load_model(Path(sys.argv[1])), Path(sys.argv[2]))
    except InputError as error:
        sys.exit(str(error))
