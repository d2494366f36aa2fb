"""Builds a model and its loss from its settings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from faces.models import original_resnet, resnet
from faces.models.initializers import initialize_weights
from faces.training.losses import adjusted_cross_entropy, masked, smooth_l1, wing
from params import Teacher, TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_model


def build_model(
    train: FaceDataset, settings: TrainKeypoints | TrainEmotion, constants: dict[str, float]
) -> keras.Model:
    """The model with initial weights; `constants` are the normalization constants `mean` and `std`."""
    size, architecture = train.images.shape[1], settings.architecture
    sizes: dict[str, Any] = architecture.model_dump(exclude={"name"})
    mean, std = constants["mean"], constants["std"]
    stride = architecture.stem_stride * 2 ** (len(architecture.widths) - 1)
    if architecture.name == "resnet" and size % stride:
        raise InputError(f"{size} px is not divisible by {stride}; give `widths` and `depths` fewer stages")
    match architecture.name, train.is_emotion:
        case "resnet", True:
            model = resnet.emotion_model(size, len(train.classes), mean, std, **sizes)
        case "resnet", False:
            model = resnet.keypoints_model(size, mean, std, **sizes)
        case "original", True:
            model = original_resnet.emotion_model(size, len(train.classes), mean, std)
        case _:
            model = original_resnet.keypoints_model(size, mean, std)
    initialize_weights(model, settings.seed)
    return model


def for_teacher(train: FaceDataset, validation: FaceDataset, settings: Teacher) -> tuple[FaceDataset, FaceDataset]:
    """Both splits with the teacher's classes: the output classes alone if it has no others, else all training classes.

    Training faces of other classes are kept for the teacher's predictions, without a label.
    """
    output = train.output_classes.tolist()
    # Of as many classes in another order, nobody could tell later which of the two orders a model has.
    if len(output) < len(train.classes) and list(settings.classes) == output:
        return train.relabel_to_output_classes(), validation.with_output_classes()
    return train, validation


def load_teacher(path: Path, model: keras.Model, classes: Sequence[str], settings: Teacher) -> keras.Model:
    """The teacher at `path` of `model`, whose classes are `classes`, none for keypoints.

    Raises InputError if the file is absent or has another hash than in the settings, or if the teacher's classes, input
    shape or output shape differ from the model's.
    """
    teacher = load_model(path)
    if (found := sha256(path)) != settings.sha256:
        raise InputError(f"{path}: has SHA-256 {found}, not the teacher's {settings.sha256}; set the intended file's")
    if list(settings.classes) != list(classes):
        needed, given = (", ".join(names) or "none" for names in (classes, settings.classes))
        raise InputError(
            f"{path}: the teacher has the classes {given}, but the training faces {needed}; choose a teacher of "
            "prepare.emotion.train_classes or of output_classes, in the same order"
        )
    for end, own, other in (("input", model.input, teacher.input), ("output", model.output, teacher.output)):
        if own.shape != other.shape:
            raise InputError(
                f"{path}: the teacher's {end} has the shape {other.shape[1:]}, the model's {own.shape[1:]}; "
                "choose a teacher of the same shapes"
            )
    return teacher


def loss_of(train: FaceDataset, settings: TrainKeypoints | TrainEmotion) -> Callable:
    """The loss of keypoints in pixels, or of class probabilities."""
    if isinstance(settings, TrainEmotion):
        counts = np.bincount(train.targets[train.targets >= 0], minlength=len(train.classes))
        return adjusted_cross_entropy(counts, settings.loss.label_smoothing, settings.loss.logit_adjustment_tau)
    return masked({"smooth_l1": smooth_l1, "wing": wing, "mse": keras.ops.square}[settings.loss])


def batch_norm_samples(train: FaceDataset, settings: TrainKeypoints | TrainEmotion) -> np.ndarray | None:
    """A random sample of training faces (N, H, W), without copies, for batch normalization; None if disabled."""
    count = settings.bn_update_samples
    originals = train.images[train.augmentation_kind == "original"]
    return np.random.default_rng(settings.seed).permutation(originals)[:count] if count else None
