"""Exports trained models in both precisions: float32, and int8 by post-training quantization.

Quantization is NNCF's (post-training, by the ranges of activations on calibration images; Jacob et al. 2018,
Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference).
"""

import contextlib
import io
import json
import logging
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx

from faces.models.onnx_graph import after_softmax
from tasks.common.dataset import load_dataset
from tasks.common.files import replacing, sha256
from tasks.models.exports import PRECISIONS, export_path
from tasks.models.inference_engine import CHUNK
from tasks.models.keras_files import load_model
from tasks.models.onnx_files import export_float32, save_onnx
from tasks.orchestration.artifacts import log, log_table
from tasks.orchestration.decorators import task

SEED = 1


@task
def export_model(model_path: Path, prepared: Path, calibration_samples: int, report: Path) -> Path:
    """Write `model_path` in both precisions beside it, and their hashes and sizes to `report`.

    The int8 file is calibrated on a random sample of the training images in the folder `prepared`, without copies.
    """
    train = load_dataset(prepared / "train.npz")
    images = calibration_images(train.images[train.augmentation_kind == "original"], calibration_samples)
    paths = {precision: export_path(model_path, precision) for precision in PRECISIONS}
    export_float32(load_model(model_path), paths["float32"])
    log(f"{model_path.stem}: quantizing, calibrated on {len(images)} training faces")
    export_int8(paths["float32"], images, paths["int8"])
    content = {
        "model_sha256": sha256(model_path),
        "calibration_samples": len(images),
        "exports": {precision: sha256(path) for precision, path in paths.items()},
        "bytes": {precision: path.stat().st_size for precision, path in paths.items()},
    }
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    rows = [
        {"file": path.name, "precision": precision, "MB": path.stat().st_size / 1e6, "sha256": sha256(path)[:16]}
        for precision, path in paths.items()
    ]
    log_table(f"exports-{model_path.stem}", rows, f"{model_path.stem}: exported files, of which one is evaluated")
    return report


def calibration_images(images: np.ndarray, count: int) -> np.ndarray:
    """A random sample of images (N, H, W), in whole batches of CHUNK if there are as many; at most `count`."""
    count = min(count, len(images))
    count -= count % CHUNK if count >= CHUNK else 0
    return np.random.default_rng(SEED).permutation(images)[:count]


def export_int8(float32: Path, images: np.ndarray, path: Path) -> None:
    """Write an exported model in int8, with activations calibrated on images (N, H, W) uint8.

    From the softmax on, it stays float32: in int8 the cell centres of the keypoints model double its error. Weights use
    half of the int8 range, so that the sums of products do not saturate on processors without VNNI instructions.
    """
    nncf = _nncf()
    model = onnx.load(float32)
    batches = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    name = model.graph.input[0].name
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws progress bars
        quantized = nncf.quantize(
            model,
            nncf.Dataset(batches, lambda batch: {name: batch}),
            subset_size=len(batches),
            ignored_scope=nncf.IgnoredScope(names=after_softmax(model)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix="enable"),
        )
    save_onnx(quantized, path)


def _nncf() -> ModuleType:
    # NNCF reports usage by this package when it is imported; where it is absent, it reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf
