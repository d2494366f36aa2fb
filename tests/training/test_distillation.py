"""Distillation from a saved teacher: its predictions for augmented faces, its classes, its weights."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from faces.common.geometry import mirror_images
from faces.models.tta import Inference, predict
from faces.training.batches import Distillation
from faces.training.distillation import distillation_targets, first_of_ensemble
from params import Teacher
from tasks.common.dataset import load_dataset, save_dataset
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_model
from tasks.training.batches import batches_of
from tasks.training.builders import for_teacher
from tasks.training.fit import train_model
from tests.tiny import MODELS, noise, training
from tests.tiny import part as dataset
from tests.training.test_fit import Paths, fit, prepared


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
    labels, predictions = np.zeros((1, 15, 2), np.float32), np.full((1, 15, 2), 8, np.float32)
    labels[0, 3] = np.nan
    found = distillation_targets(labels, predictions, 0.25)
    assert np.isnan(found[0, 3]).all()
    np.testing.assert_array_equal(np.delete(found, 3, axis=1), 2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Per model, a teacher: an ensemble of two, trained for one epoch; that of emotion has two classes."""
    folder = tmp_path_factory.mktemp("teachers")

    def teacher(model_name: str) -> Path:
        path = folder / f"{model_name}.keras"
        if not path.exists():
            paths = paths_for(folder / model_name, model_name)
            for name in ("train", "augmented", "validation"):
                split = paths.prepared / f"{name}.npz"
                save_dataset(split, load_dataset(split).with_output_classes())
            shutil.copyfile(
                fit(model_name, training(model_name, epochs=1).model_copy(update={"ensemble_size": 2}), paths), path
            )
        return path

    return teacher


def paths_for(folder: Path, model_name: str) -> Paths:
    paths = prepared(folder, model_name)
    if model_name == "emotion":
        for name in ("train", "augmented", "validation"):
            faces = load_dataset(paths.prepared / f"{name}.npz")
            save_dataset(paths.prepared / f"{name}.npz", replace(faces, output_classes=faces.classes[[3, 1]]))
    return paths


def distilled(model_name: str, file: Path, **changes: Any):
    """Settings of a training for one epoch with the teacher `file`."""
    classes = dataset("emotion", 1).classes[[3, 1]].tolist() if model_name == "emotion" else []
    content = {"file": str(file), "sha256": sha256(file), "classes": classes, "teacher_weight": 0.5}
    content |= {"cached_epochs": 1, "flip_tta": True, "init_from_teacher": False} | changes
    return training(model_name, epochs=1).model_copy(update={"distillation": Teacher.model_validate(content)})


@pytest.mark.parametrize("model_name", MODELS)
def test_distilled_model_has_the_outputs_of_its_teacher(model_name: str, saved: Callable, tmp_path: Path) -> None:
    model = load_model(fit(model_name, distilled(model_name, saved(model_name)), paths_for(tmp_path, model_name)))
    assert model.output.shape == load_model(saved(model_name)).output.shape
    assert model.count_params() < load_model(saved(model_name)).count_params()


@pytest.mark.parametrize("model_name", MODELS)
def test_targets_are_the_teacher_s_predictions_for_the_augmented_faces(
    model_name: str, saved: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def instead(model, batches, validation, **options):
        given.update(model=model, batch=batches(range(1))[0], validation=validation)
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.training.fit.fit_model", instead)
    with pytest.raises(KeyboardInterrupt):
        fit(model_name, distilled(model_name, saved(model_name), teacher_weight=1.0), paths_for(tmp_path, model_name))
    faces, targets = given["batch"]
    teacher = load_model(saved(model_name))
    predictions = predict(teacher, faces, Inference(flip_tta=True))
    known = ~np.isnan(targets)
    assert known.mean() > 0.5
    np.testing.assert_allclose(targets[known], predictions[known], rtol=1e-4, atol=1e-5)
    no_tta, flipped = np.asarray(teacher(faces)), np.asarray(teacher(mirror_images(faces)))
    if model_name == "emotion":
        np.testing.assert_allclose(predictions, (no_tta + flipped) / 2, rtol=1e-4, atol=1e-5)
        numbers = dataset(model_name, 7).targets
        validation_targets = given["validation"][1]
        np.testing.assert_array_equal(validation_targets, np.eye(2)[[[3, 1].index(n) for n in numbers if n in (3, 1)]])


def test_student_of_a_teacher_of_all_training_classes_predicts_them_all(tmp_path: Path) -> None:
    paths, classes = paths_for(tmp_path / "teacher", "emotion"), dataset("emotion", 1).classes.tolist()
    teacher = fit("emotion", training("emotion", epochs=1), paths)
    model = load_model(
        fit("emotion", distilled("emotion", teacher, classes=classes), paths_for(tmp_path / "student", "emotion"))
    )
    assert model.output.shape[1] == len(classes) == 5


def test_as_many_classes_in_another_order_are_no_choice_of_classes() -> None:
    faces = dataset("emotion", 12)
    other_order = replace(faces, output_classes=faces.classes[::-1])
    content = {"file": "teacher.keras", "sha256": "0" * 64, "classes": faces.classes[::-1].tolist()}
    content |= {"teacher_weight": 0.5, "cached_epochs": 1, "flip_tta": False, "init_from_teacher": False}
    train, validation = for_teacher(other_order, other_order, Teacher.model_validate(content))
    assert train.classes.tolist() == validation.classes.tolist() == faces.classes.tolist()


def test_faces_of_other_classes_have_no_label() -> None:
    faces = replace(dataset("emotion", 12), output_classes=dataset("emotion", 1).classes[[3, 1]])
    relabelled = faces.relabel_to_output_classes()
    assert relabelled.classes.tolist() == faces.output_classes.tolist()
    assert len(relabelled) == 12
    assert (relabelled.targets == -1).sum() == sum(number not in (3, 1) for number in faces.targets) > 0
    settings = training("emotion", epochs=1)
    no_mixing = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0}
    settings = settings.model_copy(update={"augmentation": settings.augmentation.model_copy(update=no_mixing)})
    distillation = Distillation(
        lambda _, labels: distillation_targets(labels, np.full((len(labels), 2), 0.5), 0.25), cached_epochs=1
    )
    batches = batches_of(relabelled, settings, distillation)(range(1))
    targets = np.concatenate([batches[number][1] for number in range(len(batches))])
    assert {tuple(row) for row in targets.tolist()} == {(0.5, 0.5), (0.875, 0.125), (0.125, 0.875)}


@pytest.mark.parametrize("model_name", MODELS)
def test_training_starts_from_the_weights_of_the_first_model_of_the_ensemble(
    model_name: str, saved: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, keras.Model] = {}

    def instead(model, batches, validation, **options):
        given["model"] = model
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.training.fit.fit_model", instead)
    with pytest.raises(KeyboardInterrupt):
        fit(
            model_name,
            distilled(model_name, saved(model_name), init_from_teacher=True),
            paths_for(tmp_path, model_name),
        )
    teacher = load_model(saved(model_name))
    first = first_of_ensemble(teacher)
    assert first is not teacher
    assert first_of_ensemble(first) is first
    np.testing.assert_array_equal(given["model"](noise(3)), first(noise(3)))


def test_teacher_that_does_not_fit_is_rejected(saved: Callable, tmp_path: Path) -> None:
    paths, file = paths_for(tmp_path, "emotion"), saved("emotion")
    for settings, message in (
        (distilled("emotion", file, sha256="0" * 64), f"{file}: has SHA-256 {sha256(file)}, not the teacher's 0000"),
        (
            distilled("emotion", file, classes=dataset("emotion", 1).classes[[1, 3]].tolist()),
            "the teacher has the classes disgust, happiness, but the training faces anger, disgust, sad, happiness, ",
        ),
        (
            distilled("emotion", saved("keypoints")),
            r"the teacher's output has the shape \(15, 2\), the model's \(2,\); choose a teacher of the same",
        ),
        (
            distilled("emotion", file, init_from_teacher=True).model_copy(update={"architecture": wider()}),
            "does not have the widths, depths and stem_stride of `architecture`; set `init_from_teacher` to false",
        ),
        (
            distilled("emotion", file, init_from_teacher=True).model_copy(update={"architecture": larger_stride()}),
            "does not have the widths, depths and stem_stride of `architecture`; set `init_from_teacher` to false",
        ),
    ):
        with pytest.raises(InputError, match=message):
            train_model(
                "emotion", paths.prepared, settings, paths.checkpoints, paths.model_path, paths.curve, paths.report
            )
        assert not paths.model_path.exists()
    with pytest.raises(ValidationError, match="teacher_weight"):
        distilled("emotion", file, teacher_weight=0.0)


def wider():
    """More filters, so weights of other shapes."""
    return training("emotion").architecture.model_copy(update={"widths": (3, 6)})


def larger_stride():
    """Weights of the same shapes, for other resolutions."""
    return training("emotion").architecture.model_copy(update={"stem_stride": 4})
