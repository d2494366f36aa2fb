"""Builds a model and its loss from its settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from faces.models import backbone, original_resnet, resnet
from faces.models.initializers import initialize_weights
from faces.training.backend import precision
from faces.training.losses import adjusted_cross_entropy, masked, smooth_l1, wing
from params import Architecture, TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset
from tasks.common.files import InputError
from tasks.training.pretrained import load_backbone


def build_model(
    train: FaceDataset, settings: TrainKeypoints | TrainEmotion, constants: dict[str, float]
) -> keras.Model:
    """The model with initial weights of its seed; `constants` are the normalization constants `mean` and `std`.

    Raises InputError if the faces do not fit the architecture, or its backbone is absent or does not fit the faces.
    """
    architecture = settings.architecture
    with precision(settings.precision):
        match architecture.name:
            case "resnet":
                model = _resnet(train, architecture, constants)
            case "original":
                model = _original(train, constants)
            case _:
                model = _on_backbone(train, architecture)
    initialize_weights(model, settings.seed)
    return model


def _resnet(train: FaceDataset, architecture: Architecture, constants: dict[str, float]) -> keras.Model:
    size, mean, std = train.images.shape[1], constants["mean"], constants["std"]
    sizes: dict[str, Any] = architecture.model_dump(include={"widths", "depths", "dropout", "stem_stride"})
    stride = architecture.stem_stride * 2 ** (len(architecture.widths) - 1)
    if size % stride:
        raise InputError(f"{size} px is not divisible by {stride}; give `widths` and `depths` fewer stages")
    if train.is_emotion:
        return resnet.emotion_model(size, len(train.classes), mean, std, **sizes)
    return resnet.keypoints_model(size, mean, std, **sizes)


def _original(train: FaceDataset, constants: dict[str, float]) -> keras.Model:
    size, mean, std = train.images.shape[1], constants["mean"], constants["std"]
    if train.is_emotion:
        return original_resnet.emotion_model(size, len(train.classes), mean, std)
    return original_resnet.keypoints_model(size, mean, std)


def _on_backbone(train: FaceDataset, architecture: Architecture) -> keras.Model:
    path, size = Path(str(architecture.file)), train.images.shape[1]
    model = load_backbone(path, architecture.layer, architecture.frozen)
    sizes: dict[str, Any] = architecture.model_dump(include={"input_size", "dropout"})
    try:
        if train.is_emotion:
            return backbone.emotion_model(size, len(train.classes), model, **sizes)
        return backbone.keypoints_model(size, model, **sizes)
    except ValueError as error:
        raise InputError(
            f"{path}: does not fit {size} px faces and `input_size` {sizes['input_size']}: {error}"
        ) from None


def loss_of(train: FaceDataset, settings: TrainKeypoints | TrainEmotion) -> Callable:
    """The loss of keypoints in pixels, or of class probabilities."""
    if isinstance(settings, TrainEmotion):
        counts = np.bincount(train.targets, minlength=len(train.classes))
        return adjusted_cross_entropy(counts, settings.loss.label_smoothing, settings.loss.logit_adjustment_tau)
    return masked({"smooth_l1": smooth_l1, "wing": wing, "mse": keras.ops.square}[settings.loss])


def batch_norm_samples(train: FaceDataset, settings: TrainKeypoints | TrainEmotion) -> np.ndarray | None:
    """A random sample of training faces (N, H, W), without copies, for batch normalization; None if disabled."""
    count = settings.bn_update_samples
    originals = train.images[train.augmentation_kind == "original"]
    return np.random.default_rng(settings.seed).permutation(originals)[:count] if count else None
