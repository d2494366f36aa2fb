"""Score maps become keypoints by layers of Keras's own, so that a saved model opens without this project."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from faces.models.complexity import macs
from faces.models.ensemble import ensemble
from faces.models.initializers import initialize_weights
from faces.models.portable import portable
from faces.models.resnet import emotion_model, keypoints_model
from faces.models.spatial_softmax import SoftArgmax, spatial_softmax
from tasks.models.keras_files import load_model, save_model
from tests.conftest import environment_of
from tests.tiny import CONSTANTS, noise

SIZE = 16


def positions(height: int, width: int, points: int, stride: int) -> keras.Model:
    scores = keras.Input((height, width, points))
    return keras.Model(scores, spatial_softmax(scores, stride))


def random_scores(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 5, shape).astype(np.float32)


def keypoints(seed: int, stride: int = 2) -> keras.Model:
    model = keypoints_model(SIZE, **CONSTANTS, widths=(4, 6), depths=(1, 1), dropout=0.0, stem_stride=stride)
    initialize_weights(model, seed)
    return model


def earlier(model: keras.Model) -> keras.Model:
    """The same model as it was built before, with one layer of this project."""
    scores = model.get_layer("score_maps").output
    outputs = SoftArgmax(SIZE // scores.shape[1], dtype="float32", name="points")(scores)
    return keras.Model(model.input, outputs, name=model.name)


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 4), (2, 1), (3, 4)])
def test_one_peak_is_the_centre_of_its_cell(stride: int, row: int, column: int) -> None:
    scores = np.zeros((2, 4, 5, 3), np.float32)
    scores[1, row, column, 2] = 1000
    found = np.asarray(positions(4, 5, 3, stride)(scores))
    covered = np.arange(stride)
    np.testing.assert_allclose(
        found[1, 2], [(column * stride + covered).mean(), (row * stride + covered).mean()], atol=1e-3
    )
    # Constant scores have no peak: the centre of the image, (5 * stride, 4 * stride) pixels wide and high.
    middle = [np.arange(5 * stride).mean(), np.arange(4 * stride).mean()]
    np.testing.assert_allclose(found[0], [middle] * 3, atol=1e-3)


def test_two_equal_peaks_give_their_midpoint() -> None:
    scores = np.zeros((1, 6, 6, 1), np.float32)
    scores[0, 1, 0, 0] = scores[0, 4, 2, 0] = 1000
    # Cells of 2 px: centres (0.5, 2.5) and (4.5, 8.5).
    np.testing.assert_allclose(positions(6, 6, 1, 2)(scores), [[[2.5, 5.5]]], atol=1e-4)


def test_it_is_the_same_in_a_graph() -> None:
    model, scores = positions(6, 6, 15, 8), tf.constant(random_scores(3, 6, 6, 15))
    in_graph = tf.function(model, input_signature=[tf.TensorSpec((None, 6, 6, 15), tf.float32)])(scores)
    assert in_graph.shape == (3, 15, 2)
    np.testing.assert_allclose(in_graph, model(scores), rtol=1e-5)
    assert np.ptp(in_graph) > 10


def test_the_layer_of_earlier_versions_gives_the_same() -> None:
    scores = random_scores(3, 4, 6, 15)
    layer = SoftArgmax.from_config(SoftArgmax(4, name="points").get_config())
    assert (layer.stride, layer.name) == (4, "points")
    np.testing.assert_allclose(layer(scores), positions(4, 6, 15, 4)(scores), atol=1e-4)


def test_cell_centres_are_neither_initialized_nor_trained_nor_counted() -> None:
    model = keypoints(3)
    centres = model.get_layer("points").get_weights()[0]
    np.testing.assert_array_equal(np.unique(centres), np.unique((np.arange(4) + 0.5) * 4 - 0.5))
    assert model.get_layer("points").trainable_weights == []
    assert macs(model) == macs(earlier(model))


def test_models_of_earlier_versions_become_portable() -> None:
    members = [earlier(keypoints(seed)) for seed in (3, 4)]
    for old in (members[0], ensemble(members)):
        new = portable(old)
        assert new.name == "keypoints"
        np.testing.assert_allclose(new(noise(3, SIZE)), old(noise(3, SIZE)), atol=1e-4)
        assert "SoftArgmax" in json.dumps(old.get_config())
        assert "SoftArgmax" not in json.dumps(new.get_config())
        assert portable(new) is new


LOAD = """
import sys
import keras
import numpy as np
for path in sys.argv[1:]:
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    model(np.zeros((2, *model.input.shape[1:]), np.uint8))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"faces", "tasks", "flows", "params"}))
"""


def test_saved_models_open_with_keras_alone(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {**CONSTANTS, "widths": (4, 6), "depths": (1, 1), "dropout": 0.5}
    emotion = emotion_model(SIZE, 4, **sizes)
    models = [keypoints(3), keypoints(3, 4), ensemble([keypoints(3), keypoints(4)]), emotion]
    paths = [tmp_path / f"{number}.keras" for number in range(len(models))]
    for model, path in zip(models, paths, strict=True):
        save_model(model, path)
        with zipfile.ZipFile(path) as archive:
            modules = set(re.findall(r'"module": "([^"]+)"', archive.read("config.json").decode()))
        assert {name.partition(".")[0] for name in modules} <= {"keras", "builtins"}
        np.testing.assert_allclose(load_model(path)(noise(3, SIZE)), model(noise(3, SIZE)), atol=0.1)
    command = [sys.executable, "-c", LOAD, *map(str, paths)]
    done = subprocess.run(command, cwd=tmp_path, env=environment_of(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "[]"
