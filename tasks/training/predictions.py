"""Teachers' predictions on disk: one folder per teacher, with the predictions and what they are predictions of."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from faces.training.batches import Batches, TrainingFaces
from params import Distillation, StudentEmotion, StudentKeypoints
from tasks.common.dataset import FaceDataset
from tasks.common.files import InputError, replacing, sha256
from tasks.common.npz import read_arrays

PREDICTIONS, ABOUT = "predictions.npz", "about.json"
BASIS, FIRST_BATCH = "basis", "mean_grey_of_first_batch"
GREY_TOLERANCE = 0.05
"""Grey levels. Backends round differently; another augmentation changes the mean by more."""
MAX_BYTES = 15 * 2**20
"""Of one teacher's predictions, so that they can stand in git and be carried in one piece."""


def prediction_basis(
    files: list[Path], train: FaceDataset, settings: StudentKeypoints | StudentEmotion, batches: Batches
) -> dict[str, Any]:
    """What predictions depend on beside the teacher; `files` hold the faces.

    They are the same faces if the hashes of the prepared files, the augmentation, its seed, and the mean grey level of
    the first batch are the same.
    """
    chosen = settings.model_dump(mode="json", include={"seed", "batch_size", "augmentation"})
    assert settings.distillation
    distillation = settings.distillation.model_dump(mode="json", exclude={"teacher_weight", "predictions"})
    first = round(float(np.asarray(batches.augmented(0, 0)[1], np.float64).mean()), 3)
    faces = {path.name: sha256(path) for path in files}
    return {"classes": train.classes.tolist(), "faces": faces, **chosen, **distillation, FIRST_BATCH: first}


def require_basis(folder: Path, basis: dict[str, Any]) -> dict[str, Any]:
    """The content of a teacher's `about.json`. Raises InputError if its predictions are of other faces or classes."""
    path = folder / ABOUT
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = dict(about[BASIS])
        close = abs(float(found[FIRST_BATCH]) - basis[FIRST_BATCH]) <= GREY_TOLERANCE
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: does not say what was predicted ({error!r}); copy the teacher's whole folder"
        ) from None
    found[FIRST_BATCH] = basis[FIRST_BATCH] if close else found[FIRST_BATCH]
    if different := [key for key in basis if found.get(key) != basis[key]]:
        key = different[0]
        raise InputError(
            f"{path}: predictions for other faces: {key} is {found.get(key)!r}, here {basis[key]!r}; use the same data "
            "and student settings, or have the teacher predict again"
        )
    return about


def predictions_shape(faces: TrainingFaces, epochs: int) -> tuple[int, ...]:
    """Shape of one teacher's predictions. Raises InputError if they exceed the limit."""
    shape = (epochs, faces.per_epoch, *faces.targets.shape[1:])
    if (size := 2 * int(np.prod(shape))) > MAX_BYTES:
        fitting = int(MAX_BYTES // (size / epochs))
        raise InputError(
            f"{size / 2**20:.1f} MiB of predictions for a teacher, at most {MAX_BYTES // 2**20}; set cached_epochs to "
            f"{max(fitting, 1)} or less, or lower unlabeled_samples"
        )
    return shape


def write_predictions(folder: Path, predictions: np.ndarray, about: dict[str, Any]) -> None:
    """Write a teacher's predictions in half precision, and what they are of. Equal arrays give equal bytes."""
    with replacing(folder / PREDICTIONS) as temporary:
        np.savez(temporary, allow_pickle=False, predictions=predictions.astype(np.float16))
    with replacing(folder / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")


def read_predictions(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A teacher's predictions, float16. Raises InputError if they are absent, or of another shape or type."""
    path = folder / PREDICTIONS
    try:
        predictions = read_arrays(path, ["predictions"])["predictions"]
    except ValueError as error:
        raise InputError(f"{path}: not a file of predictions ({error}); `dvc repro` makes one") from None
    if predictions.shape != shape or predictions.dtype != np.float16:
        raise InputError(
            f"{path}: {predictions.dtype} {predictions.shape}, not float16 {shape}; have the teacher predict again"
        )
    return predictions


def mean_predictions(
    folder: Path, basis: dict[str, Any], faces: TrainingFaces, distillation: Distillation
) -> np.ndarray:
    """The mean over all teachers, (epochs, faces of an epoch, ...) float32. Raises InputError if they do not fit."""
    shape = predictions_shape(faces, distillation.cached_epochs)
    teachers = sorted(path for path in folder.iterdir() if path.is_dir())
    if not teachers:
        raise InputError(f"{folder}: holds no teacher's predictions; `dvc repro` makes them")
    total = np.zeros(shape, np.float32)
    for teacher in teachers:
        require_basis(teacher, basis)
        total += read_predictions(teacher, shape)
    return total / np.float32(len(teachers))
