"""Exports predict as Keras does, and a prediction does not depend on the other faces."""

import sys
from pathlib import Path

import numpy as np
import pytest

from faces.models.tta import predict as predict_in_keras
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from tasks.models.approved_models import ApprovedModels, load_approved_models
from tasks.models.exports import export_path
from tasks.models.inference_engine import CHUNK, TABLES, Predictor, load_openvino, make_predictor
from tasks.models.keras_files import load_model
from tasks.release.model_sets import PUBLISHED
from tests.conftest import ROOT

Faces = dict[str, np.ndarray]
LARGEST_RMSE_PX, LARGEST_SHIFT_PX = 0.5, 2.0


@pytest.fixture(scope="module", params=PUBLISHED)
def approved(request: pytest.FixtureRequest) -> ApprovedModels:
    folder = ROOT / "models" / request.param
    return load_approved_models(folder / "gate.json", folder)


@pytest.fixture(scope="module")
def files(approved: ApprovedModels) -> dict[str, Path]:
    return {model_name: path.with_name(f"{model_name}.keras") for model_name, path in approved.paths.items()}


@pytest.fixture(scope="module")
def predict(approved: ApprovedModels) -> Predictor:
    return make_predictor(approved.paths, approved.inference)


@pytest.fixture(scope="module")
def faces() -> Faces:
    generator, count = np.random.default_rng(3), 2 * CHUNK + 5
    drawn = {"keypoints": (96, KEYPOINTS_FRAMING), "emotion": (48, EMOTION_FRAMING)}
    found = {model_name: draw_faces(generator, np.arange(count) % 5, *how)[0] for model_name, how in drawn.items()}
    # Noise, black and white: predictions must agree on images unlike the training faces too.
    for images in found.values():
        images[0], images[1], images[2] = generator.integers(0, 256, images[0].shape), 0, 255
    return found


@pytest.fixture(scope="module")
def by_keras(approved: ApprovedModels, files: dict[str, Path], faces: Faces) -> Faces:
    """The predictions of the model files in Keras."""
    return {
        model_name: predict_in_keras(load_model(path), faces[model_name], approved.inference[model_name])
        for model_name, path in files.items()
    }


def test_float32_predictions_equal_those_of_keras(
    approved: ApprovedModels, files: dict[str, Path], faces: Faces, by_keras: Faces
) -> None:
    exports = {model_name: export_path(path, "float32") for model_name, path in files.items()}
    found = make_predictor(exports, approved.inference)(faces)
    np.testing.assert_allclose(found["emotion"], by_keras["emotion"], atol=1e-4)
    np.testing.assert_allclose(found["keypoints"], by_keras["keypoints"], atol=0.01)
    assert found["emotion"].std(axis=0).max() > 0.1


def test_settings_for_tables_give_a_second_prediction_of_the_same_run(approved: ApprovedModels, faces: Faces) -> None:
    every, fewer = (
        approved.inference["emotion"],
        approved.inference["emotion"]._replace(temperature=1.5, class_indices=(2, 0), biases=(0.1, -0.1)),
    )
    both = make_predictor(approved.paths, approved.inference, fewer)(faces)
    first = make_predictor(approved.paths, approved.inference)(faces)
    second = make_predictor(approved.paths, approved.inference | {"emotion": fewer})(faces)
    assert every.class_indices != fewer.class_indices
    assert {name: both.pop(name).tobytes() for name in first} == {name: first[name].tobytes() for name in first}
    assert {name: found.tobytes() for name, found in both.items()} == {TABLES: second["emotion"].tobytes()}


def test_int8_predictions_are_near_those_of_keras(predict: Predictor, faces: Faces, by_keras: Faces) -> None:
    """On drawn faces: on noise, which calibration has never seen, points may move further."""
    found = predict(faces)
    drawn = slice(3, None)
    shifts = np.linalg.norm(found["keypoints"] - by_keras["keypoints"], axis=2)[drawn]
    assert 0 < np.sqrt(np.square(shifts).mean() / 2) < LARGEST_RMSE_PX
    assert shifts.max() < LARGEST_SHIFT_PX
    same = found["emotion"].argmax(axis=1) == by_keras["emotion"].argmax(axis=1)
    sure = np.sort(by_keras["emotion"], axis=1)[:, -1] > 0.6
    assert same[sure].all()
    np.testing.assert_allclose(found["emotion"][drawn], by_keras["emotion"][drawn], atol=0.15)


def test_prediction_does_not_depend_on_the_other_faces(predict: Predictor, faces: Faces) -> None:
    together = predict(faces)
    for some in (slice(0, 1), slice(CHUNK - 3, CHUNK + 9), slice(40, None)):
        alone = predict({model_name: images[some] for model_name, images in faces.items()})
        for model_name, outputs in alone.items():
            np.testing.assert_array_equal(outputs, together[model_name][some])


def test_no_faces_give_empty_predictions(predict: Predictor, approved: ApprovedModels, faces: Faces) -> None:
    none = predict({model_name: images[:0] for model_name, images in faces.items()})
    assert none["emotion"].shape == (0, len(approved.classes))
    assert none["keypoints"].shape == (0, 15, 2)


def test_no_usage_is_reported(predict: Predictor) -> None:
    assert sys.modules["openvino_telemetry"] is None


def test_the_first_tensor_is_made_before_threads_make_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that make the first ones have been seen to wait for each other, inside OpenVINO's binding."""
    made: list[np.ndarray] = []
    monkeypatch.setattr(load_openvino(), "Tensor", made.append)
    load_openvino()
    assert [array.dtype for array in made] == [np.float32]
