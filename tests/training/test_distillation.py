"""Distillation: targets by hand, and predictions on disk that fit the faces or are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faces.training.distillation import distillation_targets
from tasks.common.files import InputError
from tasks.training.batches import batches_of, training_faces
from tasks.training.data import TrainingInputs, labelled_faces, load_training_data
from tasks.training.environment import training_backend
from tasks.training.predictions import (
    ABOUT,
    BASIS,
    FIRST_BATCH,
    PREDICTIONS,
    mean_predictions,
    prediction_basis,
    predictions_shape,
    write_predictions,
)
from tests.tiny import CLASSES, MODELS, student
from tests.training.test_fit import prepared


def test_targets_by_hand() -> None:
    """A labelled face, one without a label, and both mixed half and half."""
    labels = np.array([[1, 0], [0, 0], [0.5, 0]], np.float32)
    predictions = np.array([[0.2, 0.8], [0.4, 0.6], [0.1, 0.9]], np.float32)
    expected = [[0.25 + 0.75 * 0.2, 0.75 * 0.8], [0.4, 0.6], [0.25 * 0.5 + 0.875 * 0.1, 0.875 * 0.9]]
    found = distillation_targets(labels, predictions, 0.75)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_keypoint_targets_are_weighted_means_and_unlabelled_ones_stay_so() -> None:
    labels, predictions = np.zeros((2, 15, 2), np.float32), np.full((2, 15, 2), 8, np.float32)
    labels[0, 3], labels[1] = np.nan, np.nan
    found = distillation_targets(labels, predictions, 0.25)
    assert found.dtype == np.float32
    assert np.isnan(found[0, 3]).all()
    np.testing.assert_array_equal(np.delete(found[0], 3, axis=0), 2)
    # A face without any label is learnt from the prediction alone.
    np.testing.assert_array_equal(found[1], 8)


class Case:
    """A prepared dataset, the settings of its student, and predictions of one teacher or more."""

    def __init__(self, folder: Path, model_name: str, **distillation: Any) -> None:
        self.settings = student(model_name, {"unlabeled_samples": 0, **distillation})
        assert self.settings.distillation
        self.paths = prepared(folder, model_name)
        self.unlabeled, self.predictions = folder / "unlabeled", folder / "predictions"
        self.train = labelled_faces(self.paths.prepared)
        samples = self.settings.distillation.unlabeled_samples
        self.files = [self.paths.prepared / name for name in ("train.npz", "augmented.npz")]
        images = None
        if samples:
            self.unlabeled.mkdir()
            images = np.random.default_rng(5).integers(0, 256, (9, 16, 16), np.uint8)
            np.savez(self.unlabeled / "images.npz", images=images)
            self.files.append(self.unlabeled / "images.npz")
        self.faces = training_faces(self.train, images, samples)
        batches = batches_of(self.faces, self.settings, training_backend())(range(1))
        self.basis = prediction_basis(self.files, self.train, self.settings, batches)
        self.shape = predictions_shape(self.faces, self.settings.distillation.cached_epochs)

    def write(self, name: str, value: float) -> Path:
        write_predictions(self.predictions / name, np.full(self.shape, value), {BASIS: self.basis})
        return self.predictions / name

    def load(self):
        inputs = TrainingInputs(self.paths.prepared, None, self.unlabeled, self.predictions)
        return load_training_data(inputs, self.settings)


@pytest.mark.parametrize("model_name", MODELS)
def test_student_learns_from_the_mean_of_its_teachers(model_name: str, tmp_path: Path) -> None:
    case = Case(tmp_path, model_name)
    case.write("one", 0.25)
    case.write("two", 0.75)
    data = case.load()
    assert data.distillation is not None
    assert (
        data.distillation.predictions.shape
        == case.shape
        == (2, 18, *((CLASSES,) if model_name == "emotion" else (15, 2)))
    )
    np.testing.assert_array_equal(data.distillation.predictions, 0.5)
    assert {path.name for path in data.files} >= {PREDICTIONS, ABOUT, "train.npz", "normalization.json"}


@pytest.mark.parametrize("model_name", MODELS)
def test_unlabelled_faces_come_after_the_labelled_ones_without_targets(model_name: str, tmp_path: Path) -> None:
    case = Case(tmp_path, model_name, unlabeled_samples=4)
    case.write("one", 0.5)
    data = case.load()
    assert (data.faces.num_labeled, data.faces.per_epoch, len(data.faces.images)) == (18, 22, 27)
    missing = data.faces.targets[18:]
    assert np.isnan(missing).all() if model_name == "keypoints" else not missing.any()
    batches = batches_of(data.faces, case.settings, training_backend(), data.distillation)(range(1))
    targets = np.concatenate([batches[number][1] for number in range(len(batches))])
    if model_name == "emotion":
        assert np.isfinite(targets).all()


def change(folder: Path, **changes: Any) -> None:
    about = json.loads((folder / ABOUT).read_text())
    about[BASIS].update(changes)
    (folder / ABOUT).write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 7}, r"predictions for other faces: seed is 7, here 1; use the same data"),
        ({"faces": {"train.npz": "0" * 64}}, "predictions for other faces: faces is "),
        ({"classes": ["anger", "fear"]}, "predictions for other faces: classes is "),
        ({"augmentation": {}}, "predictions for other faces: augmentation is {}"),
        ({FIRST_BATCH: 12.0}, f"predictions for other faces: {FIRST_BATCH} is 12.0"),
        ({FIRST_BATCH: "grey"}, "does not say what was predicted"),
    ],
)
def test_predictions_for_other_faces_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    case = Case(tmp_path, "emotion")
    change(case.write("one", 0.5), **changes)
    with pytest.raises(InputError, match=message):
        case.load()


def test_a_backend_that_rounds_otherwise_has_the_same_first_batch(tmp_path: Path) -> None:
    case = Case(tmp_path, "emotion")
    change(case.write("one", 0.5), **{FIRST_BATCH: case.basis[FIRST_BATCH] + 0.01})
    assert case.load().distillation is not None


def test_broken_predictions_are_refused(tmp_path: Path) -> None:
    case = Case(tmp_path, "emotion")
    folder = case.write("one", 0.5)
    whole = (folder / PREDICTIONS).read_bytes()
    (folder / PREDICTIONS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a file of predictions"):
        case.load()
    np.savez(folder / PREDICTIONS, predictions=np.zeros((2, 17, CLASSES), np.float16))
    with pytest.raises(InputError, match=r"float16 \(2, 17, 5\), not float16 \(2, 18, 5\)"):
        case.load()
    (folder / ABOUT).unlink()
    with pytest.raises(InputError, match="does not say what was predicted"):
        case.load()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert case.settings.distillation
    with pytest.raises(InputError, match="holds no teacher's predictions"):
        mean_predictions(empty, case.basis, case.faces, case.settings.distillation)


def test_more_predictions_than_can_be_carried_are_refused(tmp_path: Path) -> None:
    case = Case(tmp_path, "emotion")
    per_epoch = 2 * 18 * CLASSES
    most = 15 * 2**20 // per_epoch
    assert predictions_shape(case.faces, most)[0] == most
    with pytest.raises(
        InputError, match=rf"^15\.0 MiB of predictions for a teacher, at most 15; set cached_epochs to {most} "
    ):
        predictions_shape(case.faces, most + 1)


def test_more_unlabelled_faces_than_there_are_is_refused(tmp_path: Path) -> None:
    case = Case(tmp_path, "emotion", unlabeled_samples=9)
    case.write("one", 0.5)
    assert case.load().faces.per_epoch == 27
    np.savez(case.unlabeled / "images.npz", images=np.zeros((8, 16, 16), np.uint8))
    with pytest.raises(InputError, match=r"holds 8 unlabelled faces; set distillation.unlabeled_samples, 9, to that"):
        case.load()
