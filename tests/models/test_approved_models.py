"""Only networks that a verdict lets pass are used, and as they were judged."""

import json
from pathlib import Path

import pytest

from faces.models.tta import Inference
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import judged_networks


def verdict(folder: Path, **changes: object) -> Path:
    models = {}
    for head, flips in (("keypoints", False), ("emotion", True)):
        (folder / head).write_bytes(head.encode())
        models[head] = {
            "path": str(folder / head),
            "sha256": sha256(folder / head),
            "flip_averaging": flips,
            "temperature": 1.5 if flips else 1.0,
        }
    path = folder / "verdict.json"
    path.write_text(json.dumps({"passed": True, "classes": ["sad", "anger"], "models": models} | changes))
    return path


def test_a_passing_verdict_names_networks_classes_and_how_they_were_used(tmp_path: Path) -> None:
    judged = judged_networks(verdict(tmp_path))
    assert judged.paths == {"keypoints": tmp_path / "keypoints", "emotion": tmp_path / "emotion"}
    assert judged.inference == {"keypoints": Inference(False, 1.0), "emotion": Inference(True, 1.5)}
    assert judged.classes == ["sad", "anger"]


def test_what_does_not_pass_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"verdict.json: the gate did not let"):
        judged_networks(verdict(tmp_path, passed=False))


@pytest.mark.parametrize("changed", [b"emotion!", None])
def test_a_network_that_was_not_judged_is_not_used(tmp_path: Path, changed: bytes | None) -> None:
    path = verdict(tmp_path)
    (tmp_path / "emotion").unlink()
    if changed:
        (tmp_path / "emotion").write_bytes(changed)
    with pytest.raises(InputError, match=r"emotion: not the network that .*verdict.json is about"):
        judged_networks(path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"passed": true}', '{"passed": true, "classes": [], "models": {"emotion": {"path": "x"}}}'],
)
def test_what_is_no_verdict_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(InputError, match=r"verdict.json: not a verdict"):
        judged_networks(tmp_path / "verdict.json")
    with pytest.raises(InputError, match=r"absent.json: there is no verdict"):
        judged_networks(tmp_path / "absent.json")
