"""Versions without exports are exported once, by another process, and what was exported is checked at every use."""

import sys
from pathlib import Path

import numpy as np
import pytest

from faces.common.pixel_text import SIZES
from faces.models.tta import predict_no_tta
from tasks.common.files import InputError, sha256
from tasks.models import export_cache
from tasks.models.export_cache import CACHE, exported_once
from tasks.models.inference_engine import predictor
from tasks.models.keras_files import load_model
from tests.conftest import ROOT
from tests.tiny import noise

MODEL = ROOT / "models/fast/keypoints.keras"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_model_is_exported_once_and_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported_once(MODEL, sha256(MODEL))
    assert path == CACHE / sha256(MODEL) / "float32.onnx"
    images = noise(3, SIZES["keypoints"])
    expected = predict_no_tta(load_model(MODEL), images)
    np.testing.assert_allclose(predictor(path, SIZES["keypoints"])(images), expected, atol=0.01)
    # The second time no process starts.
    monkeypatch.setattr(export_cache, "_export", None)
    assert exported_once(MODEL, sha256(MODEL)) == path
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"float32.onnx: not the file that was exported; remove models/fetched"):
        exported_once(MODEL, sha256(MODEL))
    path.write_bytes(content)
    (path.parent / "export.json").write_text("{")
    with pytest.raises(InputError, match=r"not the file that was exported"):
        exported_once(MODEL, sha256(MODEL))


def test_a_model_that_cannot_be_exported_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"model.keras: could not be exported: .*not a model that Keras loads safely"):
        exported_once(tmp_path / "model.keras", "0" * 64)
    assert list(CACHE.iterdir()) == []


def test_two_runs_at_once_share_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(model_path: Path, out: Path) -> None:
        out.write_bytes(b"mine")
        # Another run is faster.
        (CACHE / "abc").mkdir(parents=True)
        (CACHE / "abc/float32.onnx").write_bytes(b"theirs")
        (CACHE / "abc/export.json").write_text(f'{{"sha256": "{sha256(CACHE / "abc/float32.onnx")}"}}')

    monkeypatch.setattr(export_cache, "_export", export)
    assert exported_once(MODEL, "abc").read_bytes() == b"theirs"


def test_this_process_imports_no_tensorflow_for_it() -> None:
    """The command is a process of its own, in the checkout that the code belongs to."""
    assert export_cache.CODE == ROOT
    assert "keras" not in {name.split(".")[0] for name in vars(export_cache)}
    assert sys.executable
