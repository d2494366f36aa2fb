"""Training batches of a prepared dataset, augmented as the settings say."""

from collections.abc import Callable

import numpy as np

from faces.training.augmentation import augment_images, augment_keypoints, sample_augmentation_params
from faces.training.batches import Batches, Distillation
from faces.training.mixing import Mixing, mix_faces
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset


def training_targets(dataset: FaceDataset) -> np.ndarray:
    """Keypoints unchanged, or one-hot labels (N, classes) float32, all 0 for the target -1."""
    if not dataset.is_emotion:
        return dataset.targets
    return np.eye(len(dataset.classes), dtype=np.float32)[dataset.targets] * (dataset.targets >= 0)[:, None]


def batches_of(
    train: FaceDataset, settings: TrainKeypoints | TrainEmotion, distillation: Distillation | None = None
) -> Callable[[range], Batches]:
    """A function from a range of epochs to their training batches."""
    size = train.images.shape[1]
    bounds = settings.augmentation.model_dump(exclude={"mixup_alpha", "cutmix_alpha"})

    def augment(generator: np.random.Generator, images: np.ndarray, targets: np.ndarray):
        params = sample_augmentation_params(generator, len(images), size, **bounds)
        augmented = np.asarray(augment_images(images, params))
        if isinstance(settings, TrainEmotion):
            mixing = Mixing(settings.augmentation.mixup_alpha, settings.augmentation.cutmix_alpha)
            return mix_faces(generator, augmented, targets, mixing)
        return augmented, np.asarray(augment_keypoints(targets, params, size))

    targets, batch_size, seed = training_targets(train), settings.batch_size, settings.seed
    return lambda epochs: Batches(train.images, targets, batch_size, seed, epochs, augment, distillation)
