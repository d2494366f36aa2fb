"""What a training reads."""

import json
from pathlib import Path
from typing import NamedTuple

from faces.training.batches import Distillation, TrainingFaces
from params import StudentEmotion, StudentKeypoints, TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset, concatenate, load_dataset
from tasks.common.files import InputError
from tasks.common.npz import read_arrays
from tasks.training.batches import batches_of, training_faces
from tasks.training.environment import training_backend
from tasks.training.predictions import mean_predictions, prediction_basis

FACES = ("train.npz", "augmented.npz")
UNLABELED = "images.npz"


class TrainingInputs(NamedTuple):
    """Folders and files of a training.

    `prepared` holds the model's splits, `unlabeled` the unlabelled faces and `predictions` a folder per teacher; the
    model starts from the weights of `init_from`.
    """

    prepared: Path
    init_from: Path | None = None
    unlabeled: Path | None = None
    predictions: Path | None = None


class TrainingData(NamedTuple):
    """The data of a training, and the files that they were read from.

    `train` are the labelled training faces, copies included; `faces` are these and the unlabelled ones.
    """

    train: FaceDataset
    faces: TrainingFaces
    validation: FaceDataset
    constants: dict[str, float]
    files: list[Path]
    distillation: Distillation | None = None


def load_training_data(inputs: TrainingInputs, settings: TrainKeypoints | TrainEmotion) -> TrainingData:
    """The splits of a model; for a student with distillation also the teachers' predictions and unlabelled faces.

    Raises InputError if a file is absent or does not fit the others.
    """
    prepared = inputs.prepared
    train = labelled_faces(prepared)
    validation, constants = load_dataset(prepared / "validation.npz"), prepared / "normalization.json"
    files = [*(prepared / name for name in FACES), prepared / "validation.npz", constants]
    data = TrainingData(train, training_faces(train), validation, json.loads(constants.read_text()), files)
    if not isinstance(settings, StudentKeypoints | StudentEmotion) or not settings.distillation:
        return data
    assert inputs.predictions
    faces, face_files = distillation_faces(train, prepared, inputs.unlabeled, settings)
    basis = prediction_basis(face_files, train, settings, batches_of(faces, settings, training_backend())(range(1)))
    predictions = mean_predictions(inputs.predictions, basis, faces, settings.distillation)
    distillation = Distillation(predictions, settings.distillation.teacher_weight)
    written = [path for path in sorted(inputs.predictions.rglob("*")) if path.is_file()]
    return data._replace(faces=faces, files=[*files, *face_files[2:], *written], distillation=distillation)


def labelled_faces(prepared: Path) -> FaceDataset:
    """The training split and its copies."""
    return concatenate([load_dataset(prepared / name) for name in FACES])


def distillation_faces(
    train: FaceDataset, prepared: Path, unlabeled: Path | None, settings: StudentKeypoints | StudentEmotion
) -> tuple[TrainingFaces, list[Path]]:
    """The faces that teachers predict, and the files that hold them."""
    assert settings.distillation
    files, samples = [prepared / name for name in FACES], settings.distillation.unlabeled_samples
    if not samples:
        return training_faces(train), files
    path = (unlabeled or prepared) / UNLABELED
    try:
        images = read_arrays(path, ["images"])["images"]
    except ValueError as error:
        raise InputError(f"{path}: not a file of unlabelled faces ({error}); `dvc repro` makes one") from None
    if samples > len(images):
        raise InputError(
            f"{path}: holds {len(images):,} unlabelled faces; set distillation.unlabeled_samples, {samples:,}, to that "
            "or less"
        )
    return training_faces(train, images, samples), [*files, path]
