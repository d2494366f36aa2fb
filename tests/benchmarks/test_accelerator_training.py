"""Training for an accelerator, here on few faces: every member is written, and so is their ensemble."""

import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

import params
from benchmarks.accelerator_training import load_prepared, precision, train_recipe
from faces.models.tta import predict_no_tta
from faces.training.trainer import Epoch
from tasks.common.dataset import save_dataset
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_model, save_model
from tasks.training.builders import build_model
from tests.conftest import copy_settings, set_params
from tests.tiny import CLASSES, CONSTANTS, noise, part, training

FACES = {"train": 12, "augmented": 4, "validation": 7}


def predictor_of(model: keras.Model) -> partial:
    return partial(predict_no_tta, model)


def small_project(folder: Path, recipe: str = "sample", ensemble_size: int = 1) -> Path:
    """A project whose recipe trains in a second."""
    copy_settings(folder)
    small = {
        "ensemble_size": ensemble_size,
        "architecture__widths": [2, 4],
        "architecture__depths": [1, 1],
        "epochs": 1,
        "batch_size": 8,
        "patience": 1,
    }
    set_params(folder, recipe=recipe, **{f"emotion__student__{name}": value for name, value in small.items()})
    prepared = folder / "data/prepared/emotion"
    for name, num_faces in FACES.items():
        save_dataset(prepared / f"{name}.npz", part("emotion", num_faces))
    (prepared / "normalization.json").write_text(json.dumps(CONSTANTS))
    return folder


def give_teacher(project: Path, **changes: object) -> Path:
    """Give the recipe `student` a teacher with few weights; returns its path."""
    path = project / "teacher.keras"
    save_model(build_model(part("emotion", 3), training("emotion"), CONSTANTS), path)
    settings = {"file": path.name, "sha256": sha256(path), **changes}
    set_params(project, **{f"emotion__student__distillation__{name}": value for name, value in settings.items()})
    return path


def test_every_member_is_written_and_the_model_is_their_ensemble(tmp_path: Path) -> None:
    project, out, reported = small_project(tmp_path, ensemble_size=2), tmp_path / "out", list[Epoch]()
    train_recipe(project, out, "float32", predictor_of, reported.append)
    assert {path.name for path in out.iterdir()} == {"emotion.keras", "seed-1.npz", "seed-2.npz"}
    assert [epoch.number for epoch in reported] == [1, 1]
    outputs = [outputs_of(project, out / f"seed-{number}.npz") for number in (1, 2)]
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4
    mean = predict_no_tta(load_model(out / "emotion.keras"), noise(5))
    np.testing.assert_allclose(mean, (outputs[0] + outputs[1]) / 2, atol=1e-3)  # it is saved in half precision


def outputs_of(project: Path, member: Path) -> np.ndarray:
    """The outputs of a member's file for five faces."""
    with np.load(member, allow_pickle=False) as arrays:
        (epoch,) = json.loads(str(arrays["epochs"]))
        best = [arrays[f"best_{k:04}"] for k in range(len(arrays.files) - 1)]
    assert np.isfinite([epoch["metrics"]["loss"], epoch["metrics"]["val_loss"]]).all()
    settings = params.load(project).recipe.emotion.student
    model = build_model(part("emotion", 3), settings, CONSTANTS)
    for variable, value in zip(model.variables, best, strict=True):
        variable.assign(value)
    return predict_no_tta(model, noise(5))


def test_offline_augmentation_is_part_of_the_training_split(tmp_path: Path) -> None:
    data = load_prepared(small_project(tmp_path))
    assert (len(data.train), len(data.validation)) == (FACES["train"] + FACES["augmented"], FACES["validation"])
    assert data.constants == CONSTANTS


def test_the_teacher_predicts_every_batch(tmp_path: Path) -> None:
    project, batch_sizes = small_project(tmp_path, "student"), list[int]()
    give_teacher(project)

    def recorded(model: keras.Model):
        def predictor(images: np.ndarray) -> np.ndarray:
            batch_sizes.append(len(images))
            return predict_no_tta(model, images)

        return predictor

    train_recipe(project, tmp_path / "out", "float32", recorded)
    assert batch_sizes == [8, 8]
    assert load_model(tmp_path / "out/emotion.keras").output.shape == (None, CLASSES)


def test_unsupported_recipes_are_errors(tmp_path: Path) -> None:
    project = small_project(tmp_path, "student")
    give_teacher(project, init_from_teacher=True)
    with pytest.raises(InputError, match="is not supported here; set `init_from_teacher` to false"):
        train_recipe(project, tmp_path / "out", "float32", predictor_of)
    give_teacher(project, init_from_teacher=False, sha256="0" * 64)
    with pytest.raises(InputError, match=r"teacher\.keras: has SHA-256"):
        train_recipe(project, tmp_path / "out", "float32", predictor_of)
    assert not (tmp_path / "out").exists()


def test_the_precision_is_restored_after_its_block() -> None:
    before = keras.config.dtype_policy().name
    with precision("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before == "float32"
