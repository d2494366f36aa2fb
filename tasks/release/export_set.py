"""Exports a published model set again, in today's layers and in both precisions; no metric changes."""

import json
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from faces.common.pixel_text import SIZES
from faces.models.portable import portable
from faces.models.tta import predict_no_tta
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from tasks.common.dataset import load_dataset
from tasks.common.files import InputError, replacing, sha256
from tasks.models.export import calibration_images, export_int8
from tasks.models.exports import PRECISIONS, export_path
from tasks.models.keras_files import load_model, save_model
from tasks.models.onnx_files import export_float32
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.release.quality_gate import gate_result_text

FRAMINGS = {"keypoints": KEYPOINTS_FRAMING, "emotion": EMOTION_FRAMING}
NUM_FACES = 200
TOLERANCE = 1e-6
"""Largest change of an output: of a probability, or of a keypoint as a fraction of the image's side."""
GATE_RESULT, README = "gate.json", "README.md"
INTRODUCTION = """\
## Exported files

Written by `faces export`. The `.keras` files have the weights of the evaluated files and layers of Keras's own alone.
`score` reads the ONNX files, in the precision that `gate.json` names.

| file | bytes | SHA-256 |
| --- | --- | --- |
"""
SECTION = re.compile(r"## Exported files\n.*?(?=\n## |\Z)", re.DOTALL)


@task
def export_model_set(gate_result: Path, prepared: Path, calibration_samples: int, out: Path) -> Path:
    """Write the models of a passed gate result to the folder `out`: model files, exports, gate result and README.

    The int8 files are calibrated on training images of `prepared/MODEL/train.npz`. The new gate result names all files
    by hash, the evaluated model file as `exported_from`, and int8 as the precision. Nothing is written before all is
    exported. Raises InputError if a model file is not the one that the gate result names, or if its outputs for drawn
    faces would change.
    """
    with TemporaryDirectory() as folder:
        written = _export_set(gate_result, prepared, calibration_samples, Path(folder), out)
        # The gate result, which makes the models usable, comes last.
        for path in sorted(written.iterdir(), key=lambda path: path.name == GATE_RESULT):
            with replacing(out / path.name) as temporary:
                shutil.copyfile(path, temporary)
    return out


def _export_set(gate_result: Path, prepared: Path, calibration_samples: int, folder: Path, out: Path) -> Path:
    """Write the files of a model set, which will be in `out`, to `folder`; returns it."""
    content = json.loads(gate_result.read_text())
    for model_name, model in content["models"].items():
        source, path = Path(model["path"]), folder / f"{model_name}.keras"
        if sha256(source) != model["sha256"]:
            raise InputError(f"{source}: not the model that {gate_result} is about; restore it, and export again")
        log(f"{source}: exporting to {out}")
        train = load_dataset(prepared / model_name / "train.npz")
        images = calibration_images(train.images[train.augmentation_kind == "original"], calibration_samples)
        exported = _export(model_name, source, images, path) | {"path": str(out / path.name)}
        content["models"][model_name] = model | exported
        content["models"][model_name].setdefault("exported_from", model["sha256"])
    (folder / GATE_RESULT).write_text(gate_result_text(content))
    readme = gate_result.parent / README
    before = readme.read_text() if readme.exists() else ""
    (folder / README).write_text(_with_section(before, content["models"], folder))
    return folder


def _export(model_name: str, source: Path, images: np.ndarray, path: Path) -> dict[str, Any]:
    """Write a model file and its exports; returns their hashes for the gate result."""
    before = load_model(source)
    model = portable(before)
    if model is before:
        shutil.copyfile(source, path)
    else:
        _require_same_outputs(model_name, before, model)
        save_model(model, path)
    export_float32(load_model(path), export_path(path, "float32"))
    export_int8(export_path(path, "float32"), images, export_path(path, "int8"))
    hashes = {precision: sha256(export_path(path, precision)) for precision in PRECISIONS}
    return {"sha256": sha256(path), "precision": "int8", "exports": hashes}


def _require_same_outputs(model_name: str, before: keras.Model, after: keras.Model) -> None:
    size = SIZES[model_name]
    labels = np.arange(NUM_FACES) % 5
    faces, _ = draw_faces(np.random.default_rng(0), labels, size, FRAMINGS[model_name])
    change = float(np.abs(predict_no_tta(after, faces) - predict_no_tta(before, faces)).max())
    change /= size if model_name == "keypoints" else 1
    if change > TOLERANCE:
        raise InputError(
            f"{model_name}: outputs for drawn faces would change by {change:.2g}; the model is not exported"
        )
    log(f"{model_name}: outputs for {NUM_FACES} drawn faces change by at most {change:.2g}")


def _with_section(readme: str, models: dict[str, Any], folder: Path) -> str:
    """Returns a README with its section of exported files, which replaces an earlier one."""
    rows = []
    for model in models.values():
        path = folder / Path(model["path"]).name
        hashes = {path: model["sha256"]} | {export_path(path, each): found for each, found in model["exports"].items()}
        rows += [f"| {file.name} | {file.stat().st_size:,} | {found} |" for file, found in hashes.items()]
    judged = [f"| {name}.keras, as evaluated | | {model['exported_from']} |" for name, model in models.items()]
    section = INTRODUCTION + "\n".join([*rows, *judged]) + "\n"
    if SECTION.search(readme):
        return SECTION.sub(lambda _: section, readme)
    return f"{readme.rstrip()}\n\n{section}".lstrip()
