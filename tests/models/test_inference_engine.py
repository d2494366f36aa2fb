"""OpenVINO predicts as Keras does, and a prediction does not depend on the other faces."""

import sys

import numpy as np
import pytest

from benchmarks.release_page import SETS
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from tasks.models.approved_models import ApprovedModels, load_approved_models, predict_functions
from tasks.models.inference_engine import CHUNK, Predictor, make_predictor
from tests.conftest import ROOT

Faces = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=SETS)
def approved(request: pytest.FixtureRequest) -> ApprovedModels:
    folder = ROOT / "models" / request.param
    return load_approved_models(folder / "gate.json", folder)


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


def test_predictions_equal_those_of_keras(approved: ApprovedModels, predict: Predictor, faces: Faces) -> None:
    found = predict(faces)
    by_keras = {model_name: run(faces[model_name]) for model_name, run in predict_functions(approved).items()}
    np.testing.assert_allclose(found["emotion"], by_keras["emotion"], atol=1e-4)
    np.testing.assert_allclose(found["keypoints"], by_keras["keypoints"], atol=0.01)
    assert found["emotion"].std(axis=0).max() > 0.1


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
