"""Only models of a passed gate result are used, with the inference settings of their evaluation."""

import json
from pathlib import Path

import pytest

from faces.models.tta import Inference
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import load_approved_models


def gate_result(folder: Path, **changes: object) -> Path:
    models = {}
    for model_name, flips in (("keypoints", False), ("emotion", True)):
        (folder / model_name).write_bytes(model_name.encode())
        models[model_name] = {
            "path": str(folder / model_name),
            "sha256": sha256(folder / model_name),
            "flip_tta": flips,
            "temperature": 1.5 if flips else 1.0,
        }
    path = folder / "gate.json"
    path.write_text(json.dumps({"passed": True, "classes": ["sad", "anger"], "models": models} | changes))
    return path


def test_passed_gate_result_gives_models_classes_and_inference_settings(tmp_path: Path) -> None:
    approved = load_approved_models(gate_result(tmp_path))
    assert approved.paths == {"keypoints": tmp_path / "keypoints", "emotion": tmp_path / "emotion"}
    assert approved.inference == {"keypoints": Inference(False, 1.0), "emotion": Inference(True, 1.5)}
    assert approved.classes == ["sad", "anger"]


def test_models_that_did_not_pass_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gate.json: the gate did not let"):
        load_approved_models(gate_result(tmp_path, passed=False))


@pytest.mark.parametrize("changed", [b"emotion!", None])
def test_model_that_was_not_evaluated_is_rejected(tmp_path: Path, changed: bytes | None) -> None:
    path = gate_result(tmp_path)
    (tmp_path / "emotion").unlink()
    if changed:
        (tmp_path / "emotion").write_bytes(changed)
    with pytest.raises(InputError, match=r"emotion: not the model that .*gate.json is about"):
        load_approved_models(path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"passed": true}', '{"passed": true, "classes": [], "models": {"emotion": {"path": "x"}}}'],
)
def test_file_that_is_no_gate_result_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "gate.json").write_text(content)
    with pytest.raises(InputError, match=r"gate.json: not a gate result"):
        load_approved_models(tmp_path / "gate.json")
    with pytest.raises(InputError, match=r"absent.json: there is no gate result"):
        load_approved_models(tmp_path / "absent.json")
