"""Unlabelled faces are those of the other table's training split, and none of a validation or test face."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from faces.common.pixel_text import SIZES
from params import Distillation, Duplicates
from tasks.common.dataset import save_dataset
from tasks.common.files import InputError
from tasks.distillation.unlabeled import select_unlabeled
from tests.tiny import MODELS
from tests.tiny import part as dataset

DUPLICATES = Duplicates(max_hamming_distance=10, min_correlation=0.95, max_component_fraction=0.5)
NEEDED = Distillation(teacher_weight=0.5, cached_epochs=1, flip_tta=False, unlabeled_samples=6)


def smooth(seed: int, count: int, size: int) -> np.ndarray:
    """Images (count, size, size) uint8 that stay alike when they are resized."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6), np.uint8)
    return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse])


@pytest.fixture(params=MODELS)
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, Path]:
    """A student's model, the other one, and prepared faces: each split of each model has its own, eight of them."""
    for number, model_name in enumerate(MODELS):
        for place, split in enumerate(("train", "validation", "test")):
            images = smooth(10 * number + place, 8, SIZES[model_name])
            save_dataset(tmp_path / model_name / f"{split}.npz", replace(dataset(model_name, 8), images=images))
    model_name = request.param
    return model_name, next(name for name in MODELS if name != model_name), tmp_path


def select(folders: tuple[str, str, Path], needed: Distillation | None = NEEDED) -> np.ndarray:
    model_name, _, prepared = folders
    folder = select_unlabeled(model_name, prepared, needed, DUPLICATES, prepared / "unlabeled")
    with np.load(folder / "images.npz") as arrays:
        return arrays["images"]


def plant(folders: tuple[str, str, Path], of: str, split: str, mirrored: bool) -> None:
    """Put the other model's training face 3 into a split of the model `of`, at its size, a little brighter."""
    model_name, other, prepared = folders
    with np.load(prepared / other / "train.npz") as arrays:
        face = arrays["images"][3]
    target = {"own": model_name, "other": other}[of]
    resized = cv2.resize(face, (SIZES[target], SIZES[target]), interpolation=cv2.INTER_AREA)
    brighter = np.clip(resized.astype(int) * 0.9 + 12, 0, 255).astype(np.uint8)
    images = smooth(99, 8, SIZES[target])
    images[5] = brighter[:, ::-1] if mirrored else brighter
    save_dataset(prepared / target / f"{split}.npz", replace(dataset(target, 8), images=images))


def test_all_training_faces_of_the_other_table_at_the_size_of_the_model(folders: tuple[str, str, Path]) -> None:
    model_name, other, prepared = folders
    found = select(folders)
    assert found.shape == (8, SIZES[model_name], SIZES[model_name])
    with np.load(prepared / other / "train.npz") as arrays:
        original = arrays["images"]
    back = np.stack([cv2.resize(one, original.shape[1:], interpolation=cv2.INTER_AREA) for one in found])
    assert np.abs(back.astype(int) - original).mean() < 6
    counts = json.loads((prepared / "unlabeled" / "leakage.json").read_text())
    assert set(counts) == {f"{name} {split}" for name in MODELS for split in ("validation", "test")}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("of", ["own", "other"])
def test_a_copy_of_a_judged_face_is_left_out(
    folders: tuple[str, str, Path], of: str, split: str, mirrored: bool
) -> None:
    every = select(folders)
    plant(folders, of, split, mirrored)
    np.testing.assert_array_equal(select(folders), np.delete(every, 3, axis=0))


def test_the_check_finds_what_the_search_missed(
    folders: tuple[str, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(folders, "own", "test", mirrored=True)
    monkeypatch.setattr(
        "tasks.distillation.selection._near_protected", lambda name, images, *rest: np.zeros(len(images), bool)
    )
    with pytest.raises(AssertionError, match="unlabelled faces leak: "):
        select(folders)


def test_fewer_faces_than_needed_are_refused_before_training(folders: tuple[str, str, Path]) -> None:
    model_name, other, _ = folders
    message = rf"{other}/train.npz: 8 unlabelled faces; set {model_name}.student.distillation.unlabeled_samples, 9, to"
    with pytest.raises(InputError, match=message):
        select(folders, NEEDED.model_copy(update={"unlabeled_samples": 9}))


def test_augmented_copies_are_no_unlabelled_faces(folders: tuple[str, str, Path]) -> None:
    _, other, prepared = folders
    faces = replace(dataset(other, 8), images=smooth(50, 8, SIZES[other]))
    kinds = np.array(["original"] * 6 + ["mirrored"] * 2)
    save_dataset(prepared / other / "train.npz", replace(faces, augmentation_kind=kinds))
    assert len(select(folders)) == 6


def test_nothing_is_read_where_none_are_needed(tmp_path: Path) -> None:
    for needed in (None, NEEDED.model_copy(update={"unlabeled_samples": 0})):
        folder = select_unlabeled("emotion", tmp_path / "absent", needed, DUPLICATES, tmp_path / "unlabeled")
        assert list(folder.iterdir()) == []
