"""Teachers are trained, predict what their student learns from, and give it its first weights."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faces.models.tta import Inference, predict
from faces.training.backend import host_backend
from tasks.common.dataset import load_dataset, save_dataset
from tasks.common.files import InputError, sha256
from tasks.distillation.predict import DistillationFolders, predict_teachers
from tasks.distillation.teachers import train_teachers
from tasks.models.keras_files import load_model
from tasks.training.batches import batches_of, training_faces
from tasks.training.data import TrainingInputs, labelled_faces
from tasks.training.fit import TrainingOutputs, train_model
from tasks.training.predictions import ABOUT, BASIS, PREDICTIONS, read_predictions
from tasks.training.pretrained import initial_weights
from tests.conftest import ROOT
from tests.tiny import CLASSES, EPOCHS, MODELS, SIZE, student, training
from tests.training.test_fit import Paths, prepared


class Project:
    """Folders of a model, as the stages name them."""

    def __init__(self, folder: Path, model_name: str) -> None:
        self.model_name, self.paths = model_name, prepared(folder, model_name)
        self.prepared, self.teachers = self.paths.prepared, folder / "teachers"
        self.report, self.predictions = folder / "teachers.json", folder / "predictions"
        self.committed = folder / "pretrained"

    def train(self, **teachers: Any) -> None:
        train_teachers(
            self.model_name, self.prepared, teachers, self.paths.checkpoints / "teachers", self.teachers, self.report
        )

    def predict(self, settings: Any, *names: str) -> None:
        unlabeled = self.prepared.parent / "unlabeled"
        folders = DistillationFolders(self.prepared, unlabeled, self.teachers, self.committed, self.predictions)
        predict_teachers(self.model_name, folders, {name: {"name": name} for name in names}, settings)

    def fit(self, settings: Any) -> Path:
        inputs = TrainingInputs(
            self.prepared, initial_weights(settings.init_from, self.teachers), None, self.predictions
        )
        outputs = TrainingOutputs(self.paths.model_path, self.paths.curve, self.paths.report)
        return train_model(self.model_name, inputs, settings, self.paths.checkpoints, outputs)


@pytest.mark.parametrize("model_name", MODELS)
def test_teachers_are_trained_predict_and_teach(model_name: str, tmp_path: Path) -> None:
    project = Project(tmp_path, model_name)
    wide = {"name": "resnet", "widths": (3, 6), "depths": (1, 1), "dropout": 0.0}
    project.train(
        wide=training(model_name, epochs=1, architecture=wide, seed=4),
        pair=training(model_name, epochs=1).model_copy(update={"ensemble_size": 2}),
    )
    names = {path.name for path in project.teachers.iterdir()}
    assert names == {f"{name}.{suffix}" for name in ("wide", "pair") for suffix in ("keras", "csv", "json")}
    report = json.loads(project.report.read_text())
    assert list(report) == ["wide", "pair"]
    assert report["wide"]["backend"] == "tensorflow"
    assert not (project.paths.checkpoints / "teachers").exists()

    settings = student(model_name, {}, epochs=3)
    project.predict(settings, "wide", "pair")
    train, teacher = training_faces(labelled_faces(project.prepared)), load_model(project.teachers / "wide.keras")
    batches = batches_of(train, settings, host_backend())(range(2))
    shape = (2, 18, *((CLASSES,) if model_name == "emotion" else (15, 2)))
    found = read_predictions(project.predictions / "wide", shape)
    for epoch in range(2):
        positions, faces, _ = batches.augmented(epoch, 1)
        expected = predict(teacher, faces, Inference(flip_tta=True))
        # Half precision has 11 bits.
        np.testing.assert_allclose(found[epoch, positions], expected, rtol=2e-3, atol=2e-3)
    # 18 faces in batches of 4: two are in no batch of an epoch.
    assert np.isnan(found.astype(float)).any(axis=tuple(range(2, found.ndim))).sum(axis=1).tolist() == [2, 2]
    about = json.loads((project.predictions / "wide" / ABOUT).read_text())
    assert about["model_sha256"] == sha256(project.teachers / "wide.keras")
    assert about["settings"] == {"name": "wide"}
    assert about[BASIS]["cached_epochs"] == 2

    model = load_model(project.fit(settings))
    assert model.output.shape == teacher.output.shape
    assert model.count_params() < teacher.count_params()


def test_the_same_training_gives_the_same_predictions(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        project = Project(tmp_path / name, "emotion")
        project.train(wide=training("emotion", epochs=1))
        project.predict(student("emotion", {}), "wide")
        files.append([(project.predictions / "wide" / each).read_bytes() for each in (PREDICTIONS, ABOUT)])
        files[-1].append((project.teachers / "wide.keras").read_bytes())
    assert files[0] == files[1]


def test_finished_teachers_are_not_trained_again_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, logged = Project(tmp_path, "keypoints"), list[str]()
    monkeypatch.setattr("tasks.training.fit.log", logged.append)
    broken = training("keypoints", epochs=1, architecture={"name": "resnet", "widths": (4,) * 5, "depths": (1,) * 5})
    with pytest.raises(InputError, match="is not divisible"):
        project.train(first=training("keypoints"), second=broken)
    assert sum("epoch" in line for line in logged) == EPOCHS
    project.train(first=training("keypoints"), second=training("keypoints", epochs=1))
    assert sum("teacher first: epoch" in line for line in logged) == EPOCHS
    assert any("resuming" in line for line in logged)


def test_without_teachers_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import params
from tasks.distillation.predict import DistillationFolders, predict_teachers
from tasks.distillation.teachers import train_teachers
from tasks.distillation.unlabeled import select_unlabeled
folder = Path({str(tmp_path)!r})
train_teachers("emotion", folder, {{}}, folder / "checkpoints", folder / "teachers", folder / "report.json")
student = params.load().recipe.emotion.student
predict_teachers("emotion", DistillationFolders(*[folder] * 4, folder / "predictions"), {{}}, student)
select_unlabeled("emotion", folder, None, params.load().dataset.prepare.emotion.duplicates, folder / "unlabeled")
print([name for name in ("keras", "tensorflow", "jax", "openvino", "scipy", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "report.json").read_text() == "{}\n"
    for name in ("teachers", "predictions", "unlabeled"):
        assert list((tmp_path / name).iterdir()) == []


def test_committed_predictions_stand_in_for_a_teacher(tmp_path: Path) -> None:
    elsewhere = Project(tmp_path / "elsewhere", "emotion")
    elsewhere.train(wide=training("emotion", epochs=1))
    elsewhere.predict(student("emotion", {}), "wide")
    here = Project(tmp_path / "here", "emotion")
    here.committed = elsewhere.predictions
    settings = student("emotion", {"predictions": ["wide"]}, epochs=2)
    # The names of the predictions are no part of what was predicted.
    here.predict(settings)
    for name in (PREDICTIONS, ABOUT):
        copied, original = (one.predictions / "wide" / name for one in (here, elsewhere))
        assert copied.read_bytes() == original.read_bytes()
    assert load_model(here.fit(settings)).output.shape == (None, CLASSES)
    other = student("emotion", {"predictions": ["wide"]}, seed=2)
    with pytest.raises(InputError, match=r"wide/about.json: predictions for other faces: seed is 1, here 2"):
        here.predict(other)


def test_teacher_of_other_classes_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path, "emotion")
    fewer = prepared(tmp_path / "fewer", "emotion")
    for name in ("train", "augmented", "validation"):
        faces = load_dataset(fewer.prepared / f"{name}.npz")
        save_dataset(fewer.prepared / f"{name}.npz", faces.with_output_classes()[faces.targets < CLASSES])
    Project.train(project, wide=training("emotion", epochs=1))
    keypoints = Project(tmp_path / "keypoints", "keypoints")
    keypoints.train(wide=training("keypoints", epochs=1))
    project.teachers = keypoints.teachers
    with pytest.raises(InputError, match=rf"gives \(15, 2\), the student \({SIZE}, {SIZE}\) and \({CLASSES},\)"):
        project.predict(student("emotion", {}), "wide")


@pytest.mark.parametrize("model_name", MODELS)
def test_student_starts_from_its_teacher(model_name: str, tmp_path: Path) -> None:
    project = Project(tmp_path, model_name)
    project.train(pair=training(model_name, epochs=1).model_copy(update={"ensemble_size": 2}))
    settings = student(model_name, None, init_from="teacher", epochs=0)
    model, teacher = load_model(project.fit(settings)), load_model(project.teachers / "pair.keras")
    first = next(layer for layer in teacher.layers if layer.name == "member1")
    for one, other in zip(model.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    report = json.loads(project.paths.report.read_text())
    path = project.teachers / "pair.keras"
    assert report["init_from"] == {"file": path.as_posix(), "sha256": sha256(path), "unchanged": True}
    assert report["best_epochs"] == [0]
    trained = load_model(project.fit(student(model_name, None, init_from="teacher", epochs=1)))
    assert any((one != other).any() for one, other in zip(trained.get_weights(), first.get_weights(), strict=True))
    assert json.loads(project.paths.report.read_text())["init_from"]["unchanged"] is False


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    project = Project(tmp_path, "emotion")
    project.train(wide=training("emotion", epochs=1))
    for architecture in (
        {"name": "resnet", "widths": (3, 6), "depths": (1, 1)},
        # Weights of the same shapes, for other resolutions.
        {"name": "resnet", "widths": (2, 4), "depths": (1, 1), "dropout": 0.3, "stem_stride": 4},
    ):
        with pytest.raises(InputError, match=r"does not have the layers of `architecture`"):
            project.fit(student("emotion", None, init_from="teacher", architecture=architecture))
    assert not project.paths.model_path.exists()


def test_absent_teacher_is_named(tmp_path: Path) -> None:
    assert initial_weights(None, tmp_path) is None
    assert initial_weights("models/pretrained/emotion/x.keras", tmp_path) == Path("models/pretrained/emotion/x.keras")
    paths: Paths = prepared(tmp_path, "emotion")
    with pytest.raises(InputError, match=r"NAME.keras: this model does not exist"):
        train_model(
            "emotion",
            TrainingInputs(paths.prepared, initial_weights("teacher", tmp_path / "none")),
            student("emotion", None, init_from="teacher"),
            paths.checkpoints,
            TrainingOutputs(paths.model_path, paths.curve, paths.report),
        )
