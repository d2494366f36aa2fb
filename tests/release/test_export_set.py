"""A published set is exported again with the same outputs, or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import tasks.release.export_set
from faces.common.pixel_text import SIZES
from faces.models.spatial_softmax import SoftArgmax
from faces.models.tta import predict_no_tta
from tasks.common.dataset import save_dataset
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import load_approved_models, predict_functions
from tasks.models.exports import PRECISIONS, export_path
from tasks.models.keras_files import load_model, save_model
from tasks.release.export_set import export_model_set
from tasks.training.builders import build_model
from tests.tiny import CONSTANTS, MODELS, noise, part, training

FOLDER, PREPARED = Path("models/released"), Path("data/prepared")


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A published set of an earlier version, whose keypoints model has a layer of this project, and training faces."""
    monkeypatch.chdir(tmp_path)
    FOLDER.mkdir(parents=True)
    models = {}
    for model_name in MODELS:
        split = replace(part(model_name, 8), images=noise(8, SIZES[model_name]))
        (PREPARED / model_name).mkdir(parents=True)
        save_dataset(PREPARED / model_name / "train.npz", split)
        model, path = build_model(split, training(model_name), CONSTANTS), FOLDER / f"{model_name}.keras"
        if model_name == "keypoints":
            scores = model.get_layer("score_maps").output
            points = SoftArgmax(SIZES["keypoints"] // scores.shape[1], dtype="float32", name="points")(scores)
            model = keras.Model(model.input, points, name="keypoints")
        save_model(model, path)
        models[model_name] = {"path": str(path), "sha256": sha256(path), "flip_tta": False, "temperature": 1.0}
    content = {"passed": True, "classes": ["anger"], "models": models}
    (FOLDER / "gate.json").write_text(json.dumps(content))
    (FOLDER / "README.md").write_text("# A set\n\nWhat it is.\n")


def gate_result() -> dict:
    return json.loads((FOLDER / "gate.json").read_text())


def test_the_set_has_the_same_outputs_in_layers_of_keras(tmp_path: Path) -> None:
    before = gate_result()["models"]
    images = {model_name: noise(3, SIZES[model_name]) for model_name in MODELS}
    expected = {name: predict_no_tta(load_model(FOLDER / f"{name}.keras"), images[name]) for name in MODELS}
    export_model_set(FOLDER / "gate.json", PREPARED, 8, FOLDER)
    for model_name, model in gate_result()["models"].items():
        path = FOLDER / f"{model_name}.keras"
        assert model["path"] == str(path)
        assert model["sha256"] == sha256(path)
        assert model["precision"] == "int8"
        assert model["exports"] == {precision: sha256(export_path(path, precision)) for precision in PRECISIONS}
        assert model["exported_from"] == before[model_name]["sha256"]
        assert {name: model[name] for name in ("flip_tta", "temperature")} == {"flip_tta": False, "temperature": 1.0}
        loaded = load_model(path)
        assert not [layer for layer in loaded.layers if isinstance(layer, SoftArgmax)]
        np.testing.assert_allclose(predict_no_tta(loaded, images[model_name]), expected[model_name], atol=1e-4)
    # A file of Keras's own layers alone stays as it was evaluated.
    assert gate_result()["models"]["emotion"]["sha256"] == before["emotion"]["sha256"]
    predict = predict_functions(load_approved_models(FOLDER / "gate.json"))
    assert predict["keypoints"](images["keypoints"]).shape == (3, 15, 2)


def test_another_export_keeps_what_was_evaluated_and_replaces_the_section() -> None:
    evaluated = {name: model["sha256"] for name, model in gate_result()["models"].items()}
    export_model_set(FOLDER / "gate.json", PREPARED, 8, FOLDER)
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    export_model_set(FOLDER / "gate.json", PREPARED, 8, FOLDER)
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == files
    assert {name: model["exported_from"] for name, model in gate_result()["models"].items()} == evaluated
    readme = (FOLDER / "README.md").read_text()
    assert readme.startswith("# A set\n\nWhat it is.\n\n## Exported files\n")
    assert readme.count("## Exported files") == 1
    for model in gate_result()["models"].values():
        assert all(found in readme for found in (model["sha256"], *model["exports"].values(), model["exported_from"]))


def test_another_folder_leaves_the_set_alone(tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    export_model_set(FOLDER / "gate.json", PREPARED, 8, Path("copy"))
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == before
    ends = ("keras", "float32.onnx", "int8.onnx")
    files = {f"{model_name}.{end}" for model_name in MODELS for end in ends}
    assert {path.name for path in Path("copy").iterdir()} == files | {"gate.json", "README.md"}
    assert set(load_approved_models(Path("copy/gate.json")).paths.values()) == {
        Path(f"copy/{model_name}.int8.onnx") for model_name in MODELS
    }


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("changed file", r"emotion.keras: not the model that models/released/gate.json is about"),
        ("changed outputs", r"keypoints: outputs for drawn faces would change by .*; the model is not exported"),
        ("no faces", r"data/prepared/emotion/train.npz: there is no such file"),
    ],
)
def test_a_set_that_cannot_be_exported_is_unchanged(fault: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "changed file":
        path = FOLDER / "emotion.keras"
        path.write_bytes(path.read_bytes() + b"!")
    elif fault == "changed outputs":
        other = build_model(
            replace(part("keypoints", 2), images=noise(2, 96)), training("keypoints", seed=2), CONSTANTS
        )
        monkeypatch.setattr(tasks.release.export_set, "portable", lambda model: other)
    else:
        (PREPARED / "emotion/train.npz").unlink()
    before = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    with pytest.raises(InputError, match=message):
        export_model_set(FOLDER / "gate.json", PREPARED, 8, FOLDER)
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == before
