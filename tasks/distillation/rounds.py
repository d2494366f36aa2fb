"""The augmented faces of a student's first epochs, and what each teacher predicts for them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from faces.models.tta import Inference, predict_by
from faces.training.backend import Backend
from faces.training.batches import Batches
from params import StudentEmotion, StudentKeypoints
from tasks.common.files import InputError, replacing, sha256
from tasks.distillation.predict import DistillationFolders
from tasks.models.inference_engine import predictor
from tasks.models.keras_files import load_model
from tasks.orchestration.artifacts import Progress, log
from tasks.training.batches import batches_of
from tasks.training.data import distillation_faces, labelled_faces
from tasks.training.environment import training_backend, training_environment
from tasks.training.predictions import (
    ABOUT,
    BASIS,
    PREDICTIONS,
    prediction_basis,
    predictions_shape,
    read_predictions,
    require_basis,
    write_predictions,
)

BATCH_SIZE = 256
Predict = Callable[[np.ndarray], np.ndarray]


class _Task(NamedTuple):
    """What all teachers of a student predict: the batches of its first epochs, and what these depend on."""

    batches: Batches
    shape: tuple[int, ...]
    basis: dict[str, Any]
    inference: Inference


def predict_rounds(
    model_name: str,
    folders: DistillationFolders,
    teachers: dict[str, dict[str, Any]],
    student: StudentKeypoints | StudentEmotion,
) -> None:
    """Write the predictions of each teacher, as `predict_teachers` says."""
    distillation = student.distillation
    assert distillation
    backend, train = training_backend(), labelled_faces(folders.prepared)
    faces, files = distillation_faces(train, folders.prepared, folders.unlabeled, student)
    batches = batches_of(faces, student, backend)(range(distillation.cached_epochs))
    shape = predictions_shape(faces, distillation.cached_epochs)
    basis = prediction_basis(files, train, student, batches)
    for name in distillation.predictions:
        _copy(folders.committed / name, basis, shape, folders.predictions / name)
    work = _Task(batches, shape, basis, Inference(distillation.flip_tta))
    progress = Progress(f"teachers-{model_name}", f"{model_name}: epochs predicted by teachers")
    for number, (name, settings) in enumerate(teachers.items()):
        path = folders.teachers / f"{name}.keras"
        run = _runner(path, shape[2:], faces.images.shape[1], backend)
        _predict(f"{model_name}: teacher {name}", work, run, settings, path, folders.predictions / name)
        progress.update((number + 1) / len(teachers))


def _copy(source: Path, basis: dict[str, Any], shape: tuple[int, ...], folder: Path) -> None:
    """Copy predictions made elsewhere. Raises InputError if they are of other faces."""
    require_basis(source, basis)
    read_predictions(source, shape)
    for name in (PREDICTIONS, ABOUT):
        with replacing(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)
    log(f"{source}: predictions made elsewhere are of these faces; copied to {folder}")


def _predict(title: str, work: _Task, run: Predict, settings: dict[str, Any], path: Path, folder: Path) -> None:
    predictions = np.full(work.shape, np.nan, np.float16)
    for epoch in range(len(predictions)):
        predictions[epoch] = _epoch(work, epoch, run)
        log(f"{title} predicted epoch {epoch + 1} of {len(predictions)}")
    about = {BASIS: work.basis, "settings": settings, "model_sha256": sha256(path), **training_environment()}
    write_predictions(folder, predictions, about)


def _epoch(work: _Task, epoch: int, run: Predict) -> np.ndarray:
    """Predictions for an epoch, in the order of its faces; NaN for faces in no batch."""
    predictions = np.full(work.shape[1:], np.nan, np.float32)
    made = [work.batches.augmented(epoch, number)[:2] for number in range(work.batches.steps)]
    faces = np.concatenate([np.asarray(each) for _, each in made])
    predictions[np.concatenate([which for which, _ in made])] = predict_by(run, faces, work.inference)
    return predictions


def _runner(path: Path, outputs: tuple[int, ...], size: int, backend: Backend) -> Predict:
    """Predictions of a saved model: in the inference engine on TensorFlow's CPU, else by Keras."""
    model = load_model(path)
    if model.output.shape[1:] != outputs or model.input.shape[1:] != (size, size):
        raise InputError(
            f"{path}: the teacher takes {model.input.shape[1:]} and gives {model.output.shape[1:]}, the student "
            f"{(size, size)} and {outputs}; train the teacher on the same table and classes"
        )
    if backend.name != "tensorflow":
        return lambda faces: np.asarray(model.predict(faces, batch_size=BATCH_SIZE, verbose=0))
    # Imported here, because a machine that only trains has no ONNX.
    from tasks.models.onnx_files import export_float32

    with TemporaryDirectory() as folder:
        exported = Path(folder) / "teacher.onnx"
        export_float32(model, exported)
        return predictor(exported, size)
