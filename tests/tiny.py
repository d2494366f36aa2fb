"""Datasets and settings for trainings of about a second, with every feature of a training."""

from typing import Any

import numpy as np

from faces.common.schema import KEYPOINTS, LABEL_ENCODINGS
from params import StudentEmotion, StudentKeypoints, TrainEmotion, TrainKeypoints
from tasks.common.dataset import FaceDataset

MODELS = ("keypoints", "emotion")
CLASSES = len(LABEL_ENCODINGS["course"])
SIZE = 16
CONSTANTS = {"mean": 120.0, "std": 60.0}
EPOCHS = 5

STILL: dict[str, Any] = {
    "horizontal_flip": 0.0,
    "degrees": 0.0,
    "translate": 0.0,
    "scale": (1.0, 1.0),
    "blur_sigma": 0.0,
    "brightness": 0.0,
    "contrast": (1.0, 1.0),
    "noise_std": 0.0,
    "random_erasing": 0.0,
}
"""Augmentation settings that change nothing."""

LIVELY: dict[str, Any] = {
    "horizontal_flip": 0.5,
    "degrees": 30.0,
    "translate": 0.1,
    "scale": (0.8, 1.25),
    "blur_sigma": 0.05,
    "brightness": 30.0,
    "contrast": (0.7, 1.3),
    "noise_std": 8.0,
    "random_erasing": 0.5,
}


def noise(num_faces: int, size: int = SIZE) -> np.ndarray:
    """Random images (num_faces, size, size) uint8."""
    return np.random.default_rng(num_faces).integers(0, 256, (num_faces, size, size), np.uint8)


def targets(model_name: str, num_faces: int, size: int = SIZE) -> np.ndarray:
    """Keypoints (num_faces, 15, 2), a tenth of them unlabelled, or class indices (num_faces,)."""
    generator = np.random.default_rng(num_faces)
    if model_name == "emotion":
        return generator.integers(0, CLASSES, num_faces)
    points = generator.uniform(0, size - 1, (num_faces, len(KEYPOINTS), 2)).astype(np.float32)
    points[generator.random(points.shape[:2]) < 0.1] = np.nan
    return points


def part(model_name: str, num_faces: int) -> FaceDataset:
    """A dataset of random images and targets."""
    classes = np.array(LABEL_ENCODINGS["course"] if model_name == "emotion" else [], dtype=str)
    return FaceDataset(
        images=noise(num_faces),
        targets=targets(model_name, num_faces),
        rows=np.arange(num_faces),
        groups=np.arange(num_faces),
        subjects=np.full(num_faces, ""),
        augmentation_kind=np.full(num_faces, "original"),
        classes=classes,
        output_classes=classes,
        strategy=np.array("group"),
    )


def training(model_name: str, **changes: Any) -> TrainKeypoints | TrainEmotion:
    """Settings with all sources of difference between two trainings: dropout, augmentation, decay, weight averaging."""
    kind = TrainKeypoints if model_name == "keypoints" else TrainEmotion
    return kind.model_validate(_sections(model_name, changes))


def student(model_name: str, distillation: dict[str, Any] | None, **changes: Any) -> StudentKeypoints | StudentEmotion:
    """Settings of `training` with distillation; by default half of each target is the prediction, for two epochs."""
    default = {"teacher_weight": 0.5, "cached_epochs": 2, "flip_tta": True}
    content = _sections(model_name, changes) | {
        "distillation": None if distillation is None else default | distillation
    }
    kind = StudentKeypoints if model_name == "keypoints" else StudentEmotion
    return kind.model_validate(content)


def _sections(model_name: str, changes: dict[str, Any]) -> dict[str, Any]:
    sections = {
        "seed": 1,
        "ensemble_size": 1,
        "architecture": {"name": "resnet", "widths": (2, 4), "depths": (1, 1), "dropout": 0.3},
        "epochs": EPOCHS,
        "batch_size": 4,
        "patience": EPOCHS,
        "bn_update_samples": 10,
        "optimizer": {
            "name": "adamw",
            "learning_rate": 0.01,
            "weight_decay": 0.05,
            "warmup_ratio": 0.2,
            "ema_decay": 0.8,
        },
        **changes,
    }
    if model_name == "keypoints":
        return {**sections, "loss": "smooth_l1", "augmentation": LIVELY}
    augmentation = {**LIVELY, "mixup_alpha": 0.4, "cutmix_alpha": 1.0}
    return {**sections, "loss": {"label_smoothing": 0.1, "logit_adjustment_tau": 0.5}, "augmentation": augmentation}
