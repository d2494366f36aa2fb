"""Quantizes ONNX models to int8 after training, by the ranges of activations on calibration inputs, and writes them.

Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference.
"""

import contextlib
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx

from tasks.common.files import replacing


def quantized(model: onnx.ModelProto, inputs: Sequence[np.ndarray], float32_nodes: Sequence[str]) -> onnx.ModelProto:
    """The model in int8, calibrated on inputs of its first input's shape; the named nodes stay float32.

    Weights use half of the int8 range, so that the sums of products do not saturate on processors without VNNI
    instructions.
    """
    nncf, name = _nncf(), model.graph.input[0].name
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws progress bars
        result: onnx.ModelProto = nncf.quantize(
            model,
            nncf.Dataset(list(inputs), lambda batch: {name: batch}),
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=list(float32_nodes)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix="enable"),
        )
    return result


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write a valid ONNX model; equal models give equal bytes."""
    onnx.checker.check_model(model)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _nncf() -> ModuleType:
    # NNCF reports usage by this package when it is imported; where it is absent, it reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf
