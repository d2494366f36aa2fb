"""Exports trained models in both precisions: float32, and int8 by post-training quantization."""

import json
from pathlib import Path

import numpy as np
import onnx

from faces.models.onnx_graph import after_softmax
from tasks.common.dataset import load_dataset
from tasks.common.files import replacing, sha256
from tasks.models.exports import PRECISIONS, export_path
from tasks.models.inference_engine import CHUNK
from tasks.models.keras_files import load_model
from tasks.models.onnx_files import export_float32
from tasks.models.quantization import quantized, save_onnx
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

    From the softmax on, it stays float32: in int8 the cell centres of the keypoints model double its error.
    """
    model = onnx.load(float32)
    batches = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    save_onnx(quantized(model, batches, after_softmax(model)), path)
