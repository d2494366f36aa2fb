"""Only models of a passed gate result are used, with the inference settings of their evaluation."""

import json
from pathlib import Path

import pytest

from faces.models.tta import Inference
from faces.scoring.drift import Reference
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import TableClasses, load_approved_models, named_files
from tasks.models.exports import PRECISIONS, export_path
from tests.conftest import ROOT

ENDS = ("keras", "float32.onnx", "int8.onnx")


def gate_result(folder: Path, **changes: object) -> Path:
    """A passed gate result on stub files; the emotion model in int8, the keypoints model in float32."""
    models = {}
    for model_name, flips in (("keypoints", False), ("emotion", True)):
        path = folder / f"{model_name}.keras"
        exports = {precision: export_path(path, precision) for precision in PRECISIONS}
        for precision, export in exports.items():
            export.write_bytes(f"{model_name} {precision}".encode())
        models[model_name] = {
            "path": str(path),
            "sha256": "of a file that scoring does not read",
            "precision": "int8" if flips else "float32",
            "exports": {precision: sha256(export) for precision, export in exports.items()},
            "flip_tta": flips,
            "temperature": 1.5 if flips else 1.0,
        }
    path = folder / "gate.json"
    path.write_text(json.dumps({"passed": True, "classes": ["sad", "anger"], "models": models} | changes))
    return path


def test_passed_gate_result_gives_models_classes_and_inference_settings(tmp_path: Path) -> None:
    approved = load_approved_models(gate_result(tmp_path))
    assert approved.paths == {
        "keypoints": tmp_path / "keypoints.float32.onnx",
        "emotion": tmp_path / "emotion.int8.onnx",
    }
    assert approved.hashes == {model_name: sha256(path) for model_name, path in approved.paths.items()}
    assert approved.inference == {"keypoints": Inference(False, 1.0), "emotion": Inference(True, 1.5)}
    assert approved.classes == ["sad", "anger"]


EVERY = {
    "classes": ["anger", "fear", "sad"],
    "class_indices": [0, 1, 2],
    "temperature": 2.5,
    "biases": [0.5, 0.0, -0.5],
    "reference": {"emotions": {"fear": 3}, "quantiles": {}},
}


def with_all_classes(path: Path) -> Path:
    """A gate result on an emotion model that was trained on one class more than it is judged on."""
    content = json.loads(path.read_text()) | {"reference": {"emotions": {"sad": 2}, "quantiles": {}}}
    content["models"]["emotion"] |= {"class_indices": [2, 0], "biases": [0.1, -0.1], "all_classes": EVERY}
    path.write_text(json.dumps(content))
    return path


def test_images_are_predicted_with_all_classes_and_rows_of_tables_with_the_output_classes(tmp_path: Path) -> None:
    path = with_all_classes(gate_result(tmp_path))
    approved, output, every = (load_approved_models(path, classes=classes) for classes in ("auto", "output", "all"))
    assert approved.classes == every.classes
    assert approved.inference == every.inference
    assert approved.tables == TableClasses(output.classes, output.inference["emotion"], output.reference)
    assert approved.table_inference == output.inference["emotion"]
    assert (output.tables, every.tables, output.table_inference) == (None, None, None)


def test_a_model_without_more_classes_predicts_tables_as_it_does_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = gate_result(tmp_path)
    assert load_approved_models(path, classes="auto") == load_approved_models(path)
    assert not capsys.readouterr().out


def test_all_classes_have_a_calibration_and_a_reference_of_their_own(tmp_path: Path) -> None:
    path = with_all_classes(gate_result(tmp_path))
    output, every = load_approved_models(path), load_approved_models(path, classes="all")
    assert output.classes == ["sad", "anger"]
    assert output.inference["emotion"] == Inference(True, 1.5, (2, 0), (0.1, -0.1))
    assert output.reference == Reference({"sad": 2}, {})
    assert every.classes == ["anger", "fear", "sad"]
    assert every.inference["emotion"] == Inference(True, 2.5, (0, 1, 2), (0.5, 0.0, -0.5))
    assert every.reference == Reference({"fear": 3}, {})
    assert every.inference["keypoints"] == output.inference["keypoints"]
    assert (every.paths, every.hashes) == (output.paths, output.hashes)


def test_model_that_was_trained_on_no_other_classes_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = gate_result(tmp_path)
    with caplog.at_level("INFO"):
        assert load_approved_models(path, classes="all") == load_approved_models(path)
    assert caplog.text.count("the emotion model was trained for sad, anger alone, so all classes are these") == 1


def test_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="classes = 'seven': not one of auto, output, all"):
        load_approved_models(gate_result(tmp_path), classes="seven")  # type: ignore[arg-type]


def test_models_that_did_not_pass_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gate.json: the gate did not let"):
        load_approved_models(gate_result(tmp_path, passed=False))


@pytest.mark.parametrize("changed", [b"emotion int9", None])
def test_model_that_was_not_evaluated_is_rejected(tmp_path: Path, changed: bytes | None) -> None:
    path = gate_result(tmp_path)
    (tmp_path / "emotion.int8.onnx").unlink()
    if changed:
        (tmp_path / "emotion.int8.onnx").write_bytes(changed)
    with pytest.raises(InputError, match=r"emotion.int8.onnx: not the model that .*gate.json is about"):
        load_approved_models(path)


def test_copies_in_another_folder_are_found_by_name(tmp_path: Path) -> None:
    path, other = gate_result(tmp_path), tmp_path / "fetched"
    other.mkdir()
    for name in ("keypoints.float32.onnx", "emotion.int8.onnx"):
        (tmp_path / name).rename(other / name)
    approved = load_approved_models(path, other)
    assert approved.paths == {
        "keypoints": other / "keypoints.float32.onnx",
        "emotion": other / "emotion.int8.onnx",
    }


def test_all_files_that_are_named_by_hash() -> None:
    folder = Path("models/released")
    each = [folder / f"{model_name}.{end}" for model_name in ("keypoints", "emotion") for end in ENDS]
    assert sorted(named_files(ROOT / folder / "gate.json")) == sorted(each)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"passed": true, "classes": [], "models": []}',
        '{"passed": true, "classes": [], "models": {"emotion": {"path": "x", "flip_tta": true, "temperature": 1, '
        '"precision": "int4", "exports": {}}}}',
        '{"passed": true}',
        '{"passed": true, "classes": [], "models": {"emotion": {"path": "x"}}}',
    ],
)
def test_file_that_is_no_gate_result_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "gate.json").write_text(content)
    with pytest.raises(InputError, match=r"gate.json: not a gate result"):
        load_approved_models(tmp_path / "gate.json")
    with pytest.raises(InputError, match=r"absent.json: there is no gate result"):
        load_approved_models(tmp_path / "absent.json")
