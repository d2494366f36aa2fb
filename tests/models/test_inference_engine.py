"""OpenVINO says what Keras says, of a face whatever faces are beside it."""

import sys

import numpy as np
import pytest

from benchmarks.release_page import SETS
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from tasks.models.approved_models import Judged, judged_networks, predictors
from tasks.models.inference_engine import CHUNK, Predictor, predictor_of
from tests.conftest import ROOT

Faces = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=SETS)
def judged(request: pytest.FixtureRequest) -> Judged:
    folder = ROOT / "models" / request.param
    return judged_networks(folder / "verdict.json", folder)


@pytest.fixture(scope="module")
def predict(judged: Judged) -> Predictor:
    return predictor_of(judged.paths, judged.inference)


@pytest.fixture(scope="module")
def faces() -> Faces:
    generator, count = np.random.default_rng(3), 2 * CHUNK + 5
    drawn = {"keypoints": (96, KEYPOINTS_FRAMING), "emotion": (48, EMOTION_FRAMING)}
    found = {head: draw_faces(generator, np.arange(count) % 5, *how)[0] for head, how in drawn.items()}
    # Noise, black and white too: what is not like the training faces must come out alike as well.
    for images in found.values():
        images[0], images[1], images[2] = generator.integers(0, 256, images[0].shape), 0, 255
    return found


def test_it_says_what_keras_says(judged: Judged, predict: Predictor, faces: Faces) -> None:
    told, by_keras = predict(faces), {head: run(faces[head]) for head, run in predictors(judged).items()}
    np.testing.assert_allclose(told["emotion"], by_keras["emotion"], atol=1e-4)
    np.testing.assert_allclose(told["keypoints"], by_keras["keypoints"], atol=0.01)
    assert told["emotion"].std(axis=0).max() > 0.1


def test_a_face_is_judged_alike_in_any_company(predict: Predictor, faces: Faces) -> None:
    together = predict(faces)
    for part in (slice(0, 1), slice(CHUNK - 3, CHUNK + 9), slice(40, None)):
        apart = predict({head: images[part] for head, images in faces.items()})
        for head, outputs in apart.items():
            np.testing.assert_array_equal(outputs, together[head][part])


def test_of_no_face_nothing_is_said(predict: Predictor, judged: Judged, faces: Faces) -> None:
    none = predict({head: images[:0] for head, images in faces.items()})
    assert none["emotion"].shape == (0, len(judged.classes))
    assert none["keypoints"].shape == (0, 15, 2)


def test_no_usage_is_reported() -> None:
    assert sys.modules["openvino_telemetry"] is None
