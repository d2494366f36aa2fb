"""A network is taught by a saved one: by its answers on distorted faces, on its labels, from its weights."""

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
from faces.models.tta import Inference, predictions_of
from faces.training.batches import Teaching
from faces.training.distillation import blended, first_member
from params import Teacher
from tasks.common.dataset import load_part, save_part
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_network
from tasks.training.builders import batches_of
from tasks.training.fit import fit_head
from tests.tiny import HEADS, noise, part, training
from tests.training.test_fit import Paths, fit, prepared


def test_targets_by_hand() -> None:
    """A labelled face, one without a label, and the two mixed half and half."""
    labels = np.array([[1, 0], [0, 0], [0.5, 0]], np.float32)
    answers = np.array([[0.2, 0.8], [0.4, 0.6], [0.1, 0.9]], np.float32)
    expected = [[0.25 + 0.75 * 0.2, 0.75 * 0.8], [0.4, 0.6], [0.25 * 0.5 + 0.875 * 0.1, 0.875 * 0.9]]
    found = blended(labels, answers, 0.75)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_points_are_drawn_towards_the_teacher_s_and_stay_unlabelled_where_they_are() -> None:
    labels, answers = np.zeros((1, 15, 2), np.float32), np.full((1, 15, 2), 8, np.float32)
    labels[0, 3] = np.nan
    found = blended(labels, answers, 0.25)
    assert np.isnan(found[0, 3]).all()
    np.testing.assert_array_equal(np.delete(found, 3, axis=1), 2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A teacher of two members for each head, trained for an epoch; the emotion's answers with two of its classes."""
    folder = tmp_path_factory.mktemp("teachers")

    def teacher(head: str) -> Path:
        path = folder / f"{head}.keras"
        if not path.exists():
            paths = pupils(folder / head, head)
            shutil.copyfile(fit(head, training(head, epochs=1).model_copy(update={"members": 2}), paths), path)
        return path

    return teacher


def pupils(folder: Path, head: str) -> Paths:
    paths = prepared(folder, head)
    if head == "emotion":
        for name in ("train", "augmented", "validation"):
            faces = load_part(paths.prepared / f"{name}.npz")
            save_part(paths.prepared / f"{name}.npz", replace(faces, answers=faces.classes[[3, 1]]))
    return paths


def taught(head: str, file: Path, **changes: Any):
    classes = part("emotion", 1).classes[[3, 1]].tolist() if head == "emotion" else []
    given = {"file": str(file), "sha256": sha256(file), "classes": classes, "share": 0.5} | changes
    given = {"rounds": 1, "flip_averaging": True, "begin": False} | given
    return training(head, epochs=1).model_copy(update={"teacher": Teacher.model_validate(given)})


@pytest.mark.parametrize("head", HEADS)
def test_a_taught_network_has_its_teacher_s_outputs(head: str, saved: Callable, tmp_path: Path) -> None:
    network = load_network(fit(head, taught(head, saved(head)), pupils(tmp_path, head)))
    assert network.output.shape == load_network(saved(head)).output.shape
    assert network.count_params() < load_network(saved(head)).count_params()


@pytest.mark.parametrize("head", HEADS)
def test_it_is_shown_what_the_teacher_says_of_the_faces_as_they_are_distorted(
    head: str, saved: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def instead(network, batches, validation, **options):
        given.update(network=network, batch=batches(range(1))[0], validation=validation)
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.training.fit.fit_network", instead)
    with pytest.raises(KeyboardInterrupt):
        fit(head, taught(head, saved(head), share=1.0), pupils(tmp_path, head))
    faces, targets = given["batch"]
    teacher = load_network(saved(head))
    answers = predictions_of(teacher, faces, Inference(flip_averaging=True))
    known = ~np.isnan(targets)
    assert known.mean() > 0.5
    np.testing.assert_allclose(targets[known], answers[known], rtol=1e-4, atol=1e-5)
    plain, mirrored = np.asarray(teacher(faces)), np.asarray(teacher(mirror_images(faces)))
    if head == "emotion":
        np.testing.assert_allclose(answers, (plain + mirrored) / 2, rtol=1e-4, atol=1e-5)
        numbers = part(head, 7).targets
        judged = given["validation"][1]
        np.testing.assert_array_equal(judged, np.eye(2)[[[3, 1].index(n) for n in numbers if n in (3, 1)]])


def test_faces_of_other_classes_have_no_label() -> None:
    faces = replace(part("emotion", 12), answers=part("emotion", 1).classes[[3, 1]])
    numbered = faces.in_terms_of_answers()
    assert numbered.classes.tolist() == faces.answers.tolist()
    assert len(numbered) == 12
    assert (numbered.targets == -1).sum() == sum(number not in (3, 1) for number in faces.targets) > 0
    settings = training("emotion", epochs=1)
    still = {"mixup": 0.0, "cutmix": 0.0}
    settings = settings.model_copy(update={"distortion": settings.distortion.model_copy(update=still)})
    teaching = Teaching(lambda _, labels: blended(labels, np.full((len(labels), 2), 0.5), 0.25), rounds=1)
    batches = batches_of(numbered, settings, teaching)(range(1))
    shown = np.concatenate([batches[number][1] for number in range(len(batches))])
    assert {tuple(row) for row in shown.tolist()} == {(0.5, 0.5), (0.875, 0.125), (0.125, 0.875)}


@pytest.mark.parametrize("head", HEADS)
def test_it_begins_from_the_weights_of_the_first_member(
    head: str, saved: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, keras.Model] = {}

    def instead(network, batches, validation, **options):
        given["network"] = network
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.training.fit.fit_network", instead)
    with pytest.raises(KeyboardInterrupt):
        fit(head, taught(head, saved(head), begin=True), pupils(tmp_path, head))
    teacher = load_network(saved(head))
    member = first_member(teacher)
    assert member is not teacher
    assert first_member(member) is member
    np.testing.assert_array_equal(given["network"](noise(3)), member(noise(3)))


def test_a_teacher_that_is_not_the_one_that_was_meant_is_refused(saved: Callable, tmp_path: Path) -> None:
    paths, file = pupils(tmp_path, "emotion"), saved("emotion")
    for settings, said in (
        (taught("emotion", file, sha256="0" * 64), f"{file}: has SHA-256 {sha256(file)}, not the teacher's 0000"),
        (
            taught("emotion", file, classes=part("emotion", 1).classes[[1, 3]].tolist()),
            "as teacher, has the classes disgust, happiness; the answers here are happiness, disgust, in this order",
        ),
        (taught("emotion", saved("keypoints")), r"has outputs of shape \(15, 2\), and what it is to teach \(2,\)"),
        (
            taught("emotion", file, begin=True).model_copy(update={"network": wider()}),
            "is not of the widths, depths and halvings that `network` asks for; set `begin` to false",
        ),
        (
            taught("emotion", file, begin=True).model_copy(update={"network": halved_again()}),
            "is not of the widths, depths and halvings that `network` asks for; set `begin` to false",
        ),
    ):
        with pytest.raises(InputError, match=said):
            fit_head("emotion", paths.prepared, settings, paths.unfinished, paths.model, paths.curve, paths.report)
        assert not paths.model.exists()
    with pytest.raises(ValidationError, match="share"):
        taught("emotion", file, share=0.0)


def wider():
    return training("emotion").network.model_copy(update={"widths": (3, 6)})


def halved_again():
    """As many weights, of other scale."""
    return training("emotion").network.model_copy(update={"halvings": 2})
