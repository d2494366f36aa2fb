"""Builds the network, the loss and the batches that a head's settings ask for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from faces.models import original_resnet, resnet
from faces.models.calibration import fit_biases
from faces.models.class_subset import add_biases, answering
from faces.models.initializers import initialise
from faces.models.tta import plain_predictions
from faces.training.augmentation import distort_images, distort_points, draw_distortions
from faces.training.batches import Batches, Teaching
from faces.training.losses import adjusted_cross_entropy, masked, smooth_l1, wing
from faces.training.mixing import Mixing, mix_faces
from params import Teacher, TrainEmotion, TrainKeypoints
from tasks.common.dataset import Part
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_network
from tasks.orchestration.api import log


def built_network(train: Part, settings: TrainKeypoints | TrainEmotion, constants: dict[str, float]) -> keras.Model:
    """The head's network with initial weights; `constants` are the normalisation's `mean` and `std`."""
    size, shape = train.images.shape[1], settings.network
    sizes: dict[str, Any] = shape.model_dump(exclude={"kind"})
    mean, std = constants["mean"], constants["std"]
    halvings = len(shape.widths) - 1 + shape.halvings
    if shape.kind == "resnet" and size % 2**halvings:
        raise InputError(f"{size} px cannot be halved {halvings} times; give `widths` and `depths` fewer stages")
    match shape.kind, train.is_emotion:
        case "resnet", True:
            network = resnet.emotion_network(size, len(train.classes), mean, std, **sizes)
        case "resnet", False:
            network = resnet.keypoints_network(size, mean, std, **sizes)
        case "original", True:
            network = original_resnet.emotion_network(size, len(train.classes), mean, std)
        case _:
            network = original_resnet.keypoints_network(size, mean, std)
    initialise(network, settings.seed)
    return network


def load_teacher(path: Path, network: keras.Model, classes: Sequence[str], settings: Teacher) -> keras.Model:
    """The network at `path`, which is to teach `network`, whose outputs are `classes`, or points.

    Raises InputError for a file that is absent or another than the settings name, or a teacher of other faces, classes
    or outputs than the network's.
    """
    teacher = load_network(path)
    if (found := sha256(path)) != settings.sha256:
        raise InputError(f"{path}: has SHA-256 {found}, not the teacher's {settings.sha256}; set the one that is meant")
    if list(settings.classes) != list(classes):
        here, there = (", ".join(names) or "none" for names in (classes, settings.classes))
        raise InputError(f"{path}: as teacher, has the classes {there}; the answers here are {here}, in this order")
    for side, taught, own in (("faces", network.input, teacher.input), ("outputs", network.output, teacher.output)):
        if taught.shape != own.shape:
            raise InputError(f"{path}: has {side} of shape {own.shape[1:]}, and what it is to teach {taught.shape[1:]}")
    return teacher


def answering_network(
    name: str, network: keras.Model, train: Part, validation: Part, settings: TrainEmotion
) -> keras.Model:
    """A trained emotion network as it is to answer: with the classes that are asked for, and their biases."""
    network = answering(network, train.columns)
    if settings.loss.refit_biases:
        judging = validation.answered()
        found = fit_biases(judging.targets, plain_predictions(network, judging.images))
        add_biases(network, found)
        each = ", ".join(f"{of} {bias:+.2f}" for of, bias in zip(judging.classes, found, strict=True))
        log(f"{name}: biases refitted on {len(judging)} validation faces: {each}")
    return network


def loss_of(train: Part, settings: TrainKeypoints | TrainEmotion) -> Callable:
    """Of points in pixels, or of class shares and probabilities."""
    if isinstance(settings, TrainEmotion):
        counts = np.bincount(train.targets[train.targets >= 0], minlength=len(train.classes))
        return adjusted_cross_entropy(counts, settings.loss.smoothing, settings.loss.adjustment)
    return masked({"smooth_l1": smooth_l1, "wing": wing, "squared": keras.ops.square}[settings.loss])


def class_shares(part: Part) -> np.ndarray:
    """What a network is trained towards: points as they are, labels as shares (N, classes) float32, none all zero."""
    if not part.is_emotion:
        return part.targets
    return np.eye(len(part.classes), dtype=np.float32)[part.targets] * (part.targets >= 0)[:, None]


def statistics_of(train: Part, settings: TrainKeypoints | TrainEmotion) -> np.ndarray | None:
    """Training faces by lot, for batch normalisation; None where the settings ask for none."""
    count = settings.descent.statistics_faces
    originals = train.images[train.kinds == "original"]
    return np.random.default_rng(settings.seed).permutation(originals)[:count] if count else None


def batches_of(
    train: Part, settings: TrainKeypoints | TrainEmotion, teaching: Teaching | None = None
) -> Callable[[range], Batches]:
    """Makes the training batches of some epochs."""
    size = train.images.shape[1]
    bounds = settings.distortion.model_dump(exclude={"mixup", "cutmix"})

    def distort(generator: np.random.Generator, images: np.ndarray, targets: np.ndarray):
        drawn = draw_distortions(generator, len(images), size, **bounds)
        distorted = np.asarray(distort_images(images, drawn))
        if isinstance(settings, TrainEmotion):
            mixing = Mixing(settings.distortion.mixup, settings.distortion.cutmix)
            return mix_faces(generator, distorted, targets, mixing)
        return distorted, np.asarray(distort_points(targets, drawn, size))

    targets, batch_size, seed = class_shares(train), settings.descent.batch_size, settings.seed
    return lambda epochs: Batches(train.images, targets, batch_size, seed, epochs, distort, teaching)
