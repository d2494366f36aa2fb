"""Exports: equal bytes for equal models, float32 as Keras predicts, int8 near it, readable by any ONNX runtime."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from faces.common.pixel_text import SIZES
from faces.models.ensemble import ensemble
from faces.models.onnx_graph import after_softmax
from faces.models.tta import predict_no_tta
from tasks.common.dataset import save_dataset
from tasks.common.files import InputError, sha256
from tasks.models.export import calibration_images, export_int8, export_model
from tasks.models.exports import PRECISIONS, export_path
from tasks.models.inference_engine import CHUNK, predictor
from tasks.models.keras_files import load_model, save_model
from tasks.models.onnx_files import export_float32
from tasks.training.builders import build_model
from tests.conftest import ROOT
from tests.tiny import CONSTANTS, MODELS, noise, part, training

ATOL = {"keypoints": 0.01, "emotion": 1e-4}
INT8_ATOL = {"keypoints": 3.0, "emotion": 0.2}
"""Of models with random weights, for noise: pixels and probabilities."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files of an ensemble of keypoints models and of an emotion model, with their exports beside them."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for model_name in MODELS:
        prepared = folder / model_name
        prepared.mkdir()
        size = SIZES[model_name]
        split = replace(part(model_name, 40), images=noise(40, size))
        save_dataset(prepared / "train.npz", split)
        built = [
            build_model(split, training(model_name).model_copy(update={"seed": seed}), CONSTANTS) for seed in (1, 2)
        ]
        found[model_name] = folder / f"{model_name}.keras"
        save_model(ensemble(built) if model_name == "keypoints" else built[0], found[model_name])
        export_model(found[model_name], prepared, 32, folder / f"{model_name}.json")
    return found


@pytest.mark.parametrize("model_name", MODELS)
def test_float32_predicts_as_keras_and_int8_nearly(files: dict[str, Path], model_name: str) -> None:
    images = noise(2 * CHUNK + 3, SIZES[model_name])
    expected = predict_no_tta(load_model(files[model_name]), images)
    each = {name: predictor(export_path(files[model_name], name), SIZES[model_name])(images) for name in PRECISIONS}
    np.testing.assert_allclose(each["float32"], expected, atol=ATOL[model_name])
    np.testing.assert_allclose(each["int8"], expected, atol=INT8_ATOL[model_name])
    assert np.abs(each["int8"] - each["float32"]).max() > 0


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_onnx_runtime_opens_the_files(files: dict[str, Path], model_name: str, precision: str) -> None:
    path, images = export_path(files[model_name], precision), noise(5, SIZES[model_name])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {session.get_inputs()[0].name: images})
    assert [output.name for output in session.get_outputs()] == [model_name]
    expected = predictor(path, SIZES[model_name])(images)
    tolerance = ATOL if precision == "float32" else INT8_ATOL
    np.testing.assert_allclose(outputs, expected, atol=tolerance[model_name])


@pytest.mark.parametrize("model_name", MODELS)
def test_another_process_writes_the_same_bytes(files: dict[str, Path], model_name: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tasks.models.export import export_model; "
        "model, prepared, report = map(Path, sys.argv[1:]); export_model(model, prepared, 32, report)"
    )
    model_path = tmp_path / files[model_name].name
    model_path.write_bytes(files[model_name].read_bytes())
    prepared, report = files[model_name].with_suffix(""), tmp_path / "report.json"
    subprocess.run([sys.executable, "-c", code, model_path, prepared, report], cwd=ROOT, check=True)
    assert report.read_bytes() == files[model_name].with_suffix(".json").read_bytes()
    for precision in PRECISIONS:
        assert export_path(model_path, precision).read_bytes() == export_path(files[model_name], precision).read_bytes()


@pytest.mark.parametrize("model_name", MODELS)
def test_the_report_has_hashes_and_sizes(files: dict[str, Path], model_name: str) -> None:
    content = json.loads(files[model_name].with_suffix(".json").read_text())
    exports = {precision: export_path(files[model_name], precision) for precision in PRECISIONS}
    assert content == {
        "model_sha256": sha256(files[model_name]),
        "calibration_samples": 32,
        "exports": {precision: sha256(path) for precision, path in exports.items()},
        "bytes": {precision: path.stat().st_size for precision, path in exports.items()},
    }


def test_weights_are_int8_except_after_the_softmax(files: dict[str, Path]) -> None:
    path = files["keypoints"]
    before = onnx.load(export_path(path, "float32"))
    kept = {node.name for node in before.graph.node if node.name in after_softmax(before)}
    assert {node.op_type for node in before.graph.node if node.name in kept} >= {"Softmax", "MatMul"}
    quantized = onnx.load(export_path(path, "int8"))
    constants = {one.name: one for one in quantized.graph.initializer}
    made_by = {name: node for node in quantized.graph.node for name in node.output}
    for node in quantized.graph.node:
        if node.op_type in ("Conv", "MatMul"):
            weights = node.input[1]
            is_int8 = weights not in constants and made_by[weights].op_type == "DequantizeLinear"
            assert is_int8 == (node.name not in kept), node.name


@pytest.mark.parametrize("model_name", MODELS)
def test_names_do_not_depend_on_what_was_built_before(model_name: str, tmp_path: Path) -> None:
    for name in ("first", "second"):
        model = build_model(part(model_name, 4), training(model_name), CONSTANTS)
        export_float32(model, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize(("count", "expected"), [(512, 96), (70, 64), (20, 20)])
def test_calibration_images_come_in_whole_batches(count: int, expected: int) -> None:
    images = noise(100, 2)
    sample = calibration_images(images, count)
    assert len(sample) == expected
    assert {one.tobytes() for one in sample} <= {one.tobytes() for one in images}
    np.testing.assert_array_equal(sample, calibration_images(images, count))


def test_no_usage_is_reported(files: dict[str, Path], tmp_path: Path) -> None:
    export_int8(export_path(files["emotion"], "float32"), noise(2, SIZES["emotion"]), tmp_path / "int8.onnx")
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_file_that_is_no_export_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "keypoints.int8.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"keypoints.int8.onnx: .*`dvc checkout` restores it"):
        predictor(path, SIZES["keypoints"])
