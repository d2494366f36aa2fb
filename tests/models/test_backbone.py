"""Models on a pretrained backbone: what they feed it, what they train of it, and which backbones are refused."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from faces.models.backbone import emotion_model, keypoints_model
from tasks.common.files import InputError
from tasks.models.keras_files import load_model, save_model
from tasks.models.onnx_files import export_float32
from tasks.training.builders import build_model
from tasks.training.pretrained import load_backbone
from tests.tiny import CLASSES, CONSTANTS, MODELS, SIZE, noise, training
from tests.tiny import part as dataset


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A saved network of three channels at 24 px, with a classifier on top."""
    inputs = keras.Input((24, 24, 3), name="picture")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(4, 3, strides=3, padding="same", name="features")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D(name="vector")(layers.ReLU(name="relu")(x))
    keras.Model(inputs, layers.Dense(10, name="other_classes")(x)).save(tmp_path / "backbone.keras")
    return tmp_path / "backbone.keras"


def settings(model_name: str, file: Path, **changes: Any):
    chosen = {
        "name": "backbone",
        "file": "models/pretrained/x.keras",
        "layer": "relu",
        "input_size": 24,
        "dropout": 0.0,
    }
    made = training(model_name, architecture=chosen | changes)
    architecture = made.architecture.model_copy(update={"file": str(file)})
    return made.model_copy(update={"architecture": architecture})


@pytest.mark.parametrize("model_name", MODELS)
def test_faces_reach_the_backbone_as_grey_levels_in_every_channel(model_name: str, file: Path, tmp_path: Path) -> None:
    model = build_model(dataset(model_name, 6), settings(model_name, file), CONSTANTS)
    assert model.output.shape == ((None, CLASSES) if model_name == "emotion" else (None, 15, 2))
    fed: list[np.ndarray] = []
    backbone = model.get_layer("backbone")
    before = keras.Model(model.input, model.get_layer("channels").output)
    fed.append(np.asarray(before(noise(2))))
    assert fed[0].shape == (2, 24, 24, 3)
    np.testing.assert_array_equal(fed[0][..., 0], fed[0][..., 2])
    assert 0 <= fed[0].min() < 60
    assert 200 < fed[0].max() <= 255
    assert not backbone.trainable_variables
    assert model.trainable_variables
    # The weights of the file, not of the seed.
    np.testing.assert_array_equal(backbone.get_weights()[0], load_model(file).get_weights()[0])
    save_model(model, tmp_path / "model.keras")
    saved = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(saved(noise(3)), model(noise(3)), atol=0.02)
    export_float32(saved, tmp_path / "model.onnx")


def test_backbone_is_trained_too_if_it_is_not_frozen(file: Path) -> None:
    model = build_model(dataset("emotion", 6), settings("emotion", file, frozen=False), CONSTANTS)
    assert {variable.path.split("/")[-2] for variable in model.trainable_variables} == {
        *("features", "norm", "probabilities")
    }


def test_own_models_are_backbones_too(tmp_path: Path) -> None:
    """They take (N, H, W) uint8."""
    own = build_model(dataset("emotion", 6), training("emotion"), CONSTANTS)
    save_model(own, tmp_path / "own.keras")
    chosen = settings("emotion", tmp_path / "own.keras", layer="pool", input_size=SIZE)
    model = build_model(dataset("emotion", 6), chosen, CONSTANTS)
    assert np.asarray(model(noise(3))).shape == (3, CLASSES)


def test_backbone_that_does_not_fit_is_refused(file: Path, tmp_path: Path) -> None:
    for model_name, changes, message in (
        ("emotion", {"layer": "absent"}, r"has no layer 'absent'; name one of picture, "),
        ("emotion", {"input_size": 40}, r"does not fit 16 px faces and `input_size` 40: "),
        ("keypoints", {"layer": "vector"}, r"gives \(4,\), not a square feature map whose side divides 16"),
    ):
        with pytest.raises(InputError, match=message):
            build_model(dataset(model_name, 6), settings(model_name, file, **changes), CONSTANTS)
    two = [keras.Input((8,)), keras.Input((8,))]
    keras.Model(two, layers.Add()(two)).save(tmp_path / "two.keras")
    with pytest.raises(InputError, match="a backbone takes one image"):
        load_backbone(tmp_path / "two.keras", None, frozen=True)
    with pytest.raises(InputError, match="this model does not exist"):
        load_backbone(tmp_path / "absent.keras", None, frozen=True)


def test_score_maps_of_a_coarse_map_cover_the_face(file: Path) -> None:
    model = keypoints_model(SIZE, load_backbone(file, "relu", frozen=True), input_size=24, dropout=0.0)
    predicted = np.asarray(model(noise(2)))
    assert predicted.shape == (2, 15, 2)
    assert 0 < predicted.min() < predicted.max() < SIZE
    assert emotion_model(SIZE, 3, load_backbone(file, "vector", True), input_size=24, dropout=0.0).output.shape[1] == 3
