"""Faces and settings for trainings of a second: too small to learn much, but with every part that a training has."""

from typing import Any

import numpy as np

from faces.common.schema import KEYPOINTS, LABEL_SETS
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import Part

HEADS = ("keypoints", "emotion")
CLASSES = len(LABEL_SETS["course"])
SIZE = 16
CONSTANTS = {"mean": 120.0, "std": 60.0}
EPOCHS = 5

STILL: dict[str, Any] = {
    "mirror": 0.0,
    "rotation": 0.0,
    "shift": 0.0,
    "scale": (1.0, 1.0),
    "blur": 0.0,
    "brightness": 0.0,
    "contrast": (1.0, 1.0),
    "noise": 0.0,
    "erase": 0.0,
}
"""Bounds within which nothing is distorted."""

LIVELY: dict[str, Any] = {
    "mirror": 0.5,
    "rotation": 30.0,
    "shift": 0.1,
    "scale": (0.8, 1.25),
    "blur": 0.05,
    "brightness": 30.0,
    "contrast": (0.7, 1.3),
    "noise": 8.0,
    "erase": 0.5,
}


def noise(faces: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(faces).integers(0, 256, (faces, size, size), np.uint8)


def targets(head: str, faces: int, size: int = SIZE) -> np.ndarray:
    """Points (faces, 15, 2), a tenth of them unlabelled, or class numbers (faces,)."""
    generator = np.random.default_rng(faces)
    if head == "emotion":
        return generator.integers(0, CLASSES, faces)
    points = generator.uniform(0, size - 1, (faces, len(KEYPOINTS), 2)).astype(np.float32)
    points[generator.random(points.shape[:2]) < 0.1] = np.nan
    return points


def part(head: str, faces: int) -> Part:
    classes = np.array(LABEL_SETS["course"] if head == "emotion" else [], dtype=str)
    return Part(
        images=noise(faces),
        targets=targets(head, faces),
        rows=np.arange(faces),
        groups=np.arange(faces),
        persons=np.full(faces, ""),
        kinds=np.full(faces, "original"),
        classes=classes,
        answers=classes,
        protocol=np.array("grouped"),
    )


def training(head: str, **descent: Any) -> TrainKeypoints | TrainEmotion:
    """Settings with whatever could make two trainings differ: dropout, distortions, decay, mean weights."""
    sections = {
        "seed": 1,
        "members": 1,
        "network": {"kind": "resnet", "widths": (2, 4), "depths": (1, 1), "dropout": 0.3},
        "descent": {
            "optimizer": "adamw",
            "epochs": EPOCHS,
            "batch_size": 4,
            "learning_rate": 0.01,
            "warmup": 0.2,
            "weight_decay": 0.05,
            "ema": 0.8,
            "patience": EPOCHS,
            "statistics_faces": 10,
            **descent,
        },
    }
    if head == "keypoints":
        return TrainKeypoints.model_validate({**sections, "loss": "smooth_l1", "distortion": LIVELY})
    distortion = {**LIVELY, "mixup": 0.4, "cutmix": 1.0}
    loss = {"smoothing": 0.1, "adjustment": 0.5}
    return TrainEmotion.model_validate({**sections, "loss": loss, "distortion": distortion})
