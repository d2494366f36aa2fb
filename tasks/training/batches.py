"""Training batches of a prepared dataset, augmented as the settings say."""

from collections.abc import Callable

import numpy as np

from faces.training.augmentation import augment_images, augment_keypoints, sample_augmentation_params
from faces.training.backend import Backend
from faces.training.batches import Batches, Distillation, TrainingFaces
from faces.training.mixing import Mixing, mix_faces
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset


def training_targets(dataset: FaceDataset) -> np.ndarray:
    """Keypoints unchanged, or one-hot labels (N, classes) float32."""
    return np.eye(len(dataset.classes), dtype=np.float32)[dataset.targets] if dataset.is_emotion else dataset.targets


def training_faces(dataset: FaceDataset, unlabeled: np.ndarray | None = None, samples: int = 0) -> TrainingFaces:
    """The faces of a dataset, and `samples` of the faces `unlabeled` (M, H, W) in each epoch."""
    targets = training_targets(dataset)
    if unlabeled is None or not samples:
        return TrainingFaces(dataset.images, targets, len(dataset))
    missing = np.full((len(unlabeled), *targets.shape[1:]), 0 if dataset.is_emotion else np.nan, np.float32)
    images = np.concatenate([dataset.images, unlabeled])
    return TrainingFaces(images, np.concatenate([targets, missing]), len(dataset), samples)


def batches_of(
    faces: TrainingFaces,
    settings: TrainKeypoints | TrainEmotion,
    backend: Backend,
    distillation: Distillation | None = None,
) -> Callable[[range], Batches]:
    """A function from a range of epochs to their training batches."""
    size, batch_size, seed = faces.images.shape[1], settings.batch_size, settings.seed
    bounds = settings.augmentation.model_dump(exclude={"mixup_alpha", "cutmix_alpha"})
    of_images = backend.compiled(augment_images)
    of_keypoints = backend.compiled(lambda points, params: augment_keypoints(points, params, size))

    def augment(generator: np.random.Generator, images, targets: np.ndarray):
        params = sample_augmentation_params(generator, len(images), size, **bounds)
        augmented = backend.fetched(of_images(images, params))
        if isinstance(settings, TrainEmotion):
            mixing = Mixing(settings.augmentation.mixup_alpha, settings.augmentation.cutmix_alpha)
            return mix_faces(generator, augmented, targets, mixing)
        return augmented, backend.fetched(of_keypoints(targets, params))

    placed = faces._replace(images=backend.placed(faces.images))
    return lambda epochs: Batches(placed, batch_size, seed, epochs, augment, distillation)
