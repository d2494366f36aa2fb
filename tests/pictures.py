"""Small synthetic images and valid tables, for tests of the stages between validation and training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.fft import idctn

from faces.common.schema import COORDINATES
from faces.preparation.perceptual_hash import perceptual_hashes
from params import PrepareEmotion, PrepareKeypoints

CLOSE = (10, 0.9)
"""Near-duplicates: maximum Hamming distance of the hashes in bits, minimum correlation."""


def strangers(count: int, seed: int = 0, side: int = 48) -> np.ndarray:
    """Images (count, side, side) uint8 of soft random blotches in 30..190, no two of them near-duplicates.

    All low frequencies are present, so that weak noise changes few bits of the perceptual hash.
    """
    generator = np.random.default_rng([seed, side])
    waves = np.zeros((count, side, side))
    waves[:, :8, :8] = generator.choice([-1, 1], (count, 8, 8)) * generator.uniform(0.6, 1.4, (count, 8, 8))
    images = idctn(waves, axes=(1, 2))
    images -= images.min(axis=(1, 2), keepdims=True)
    return (30 + 160 * images / images.max(axis=(1, 2), keepdims=True)).astype(np.uint8)


def noisy(images: np.ndarray, seed: int = 0, deviation: float = 4.0) -> np.ndarray:
    """Near-duplicates of images: Gaussian noise with this standard deviation in every pixel."""
    noise = np.random.default_rng(seed).normal(0, deviation, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def mirrored(images: np.ndarray) -> np.ndarray:
    """Images (..., H, W) flipped horizontally."""
    return images[..., ::-1]


def one_sided_pair() -> tuple[np.ndarray, np.ndarray, int]:
    """Two images, the second close to the mirrored first, and the Hamming distance with the first one mirrored.

    With the second one mirrored instead, the distance is larger, because the medians of the hashes differ.
    """
    first = strangers(300, seed=5)
    second = mirrored(noisy(first))
    distances_first = np.bitwise_count(perceptual_hashes(mirrored(first)) ^ perceptual_hashes(second))
    distances_second = np.bitwise_count(perceptual_hashes(first) ^ perceptual_hashes(mirrored(second)))
    index = np.flatnonzero(distances_first < distances_second)[0]
    return first[index], second[index], int(distances_first[index])


def emotion_table(
    images: np.ndarray,
    emotions: Sequence[str],
    subjects: Sequence[str] | None = None,
    usages: Sequence[str] | None = None,
    rows: Sequence[int] | None = None,
) -> pd.DataFrame:
    """A valid table; the default rows are 3, 5, 7 and so on, as if every second row were quarantined."""
    table = pd.DataFrame({"row": range(3, 3 + 2 * len(images), 2) if rows is None else rows})
    table["pixels"] = [image.tobytes() for image in np.ascontiguousarray(images)]
    table["emotion"] = pd.Series(emotions, dtype="str")
    for name, values in (("usage", usages), ("person", subjects)):
        if values is not None:
            table[name] = pd.Series(values, dtype="str")
    return table


def keypoint_table(images: np.ndarray, subjects: Sequence[str] | None = None) -> pd.DataFrame:
    """A valid table of images (N, 96, 96), with a tenth of the keypoints unlabelled."""
    generator = np.random.default_rng(0)
    points = generator.uniform(5, 90, (len(images), 15, 2)).astype(np.float32)
    points[generator.random(points.shape[:2]) < 0.1] = np.nan
    table = pd.DataFrame(points.reshape(-1, 30), columns=list(COORDINATES))
    table.insert(0, "row", range(1, len(images) + 1))
    table["pixels"] = [image.tobytes() for image in np.ascontiguousarray(images)]
    if subjects is not None:
        table["person"] = pd.Series(subjects, dtype="str")
    return table


def write_table(folder: Path, model_name: str, table: pd.DataFrame) -> Path:
    path = folder / "data" / "validated" / f"{model_name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)
    return path


def emotion_settings(
    strategy: str = "group",
    train_classes: Sequence[str] = ("anger", "happiness"),
    output_classes: Sequence[str] | None = None,
    label_conflicts: str = "keep",
    max_component_fraction: float = 0.5,
    max_class_fraction_difference: float = 1.0,
    seed: int = 1,
    shares: tuple[float, float] = (0.3, 0.3),
) -> PrepareEmotion:
    return PrepareEmotion.model_validate(
        {
            "train_classes": train_classes,
            "output_classes": output_classes,
            "duplicates": {
                "max_hamming_distance": CLOSE[0],
                "min_correlation": CLOSE[1],
                "max_component_fraction": max_component_fraction,
                "label_conflicts": label_conflicts,
            },
            "split": {
                "strategy": strategy,
                "seed": seed,
                "val_size": shares[0],
                "test_size": shares[1],
                "max_class_fraction_difference": max_class_fraction_difference,
            },
            "offline_augmentation": {"seed": 1, "horizontal_flip": True, "brightness": (1.5, 2.0)},
        }
    )


def keypoint_settings(
    strategy: str = "group", max_component_fraction: float = 0.5, keypoint_offset_px: tuple[float, float] = (0, 0)
) -> PrepareKeypoints:
    return PrepareKeypoints.model_validate(
        {
            "keypoint_offset_px": keypoint_offset_px,
            "duplicates": _duplicates(max_component_fraction),
            "split": {"strategy": strategy, "seed": 1, "val_size": 0.3, "test_size": 0.3},
            "offline_augmentation": {"seed": 1, "horizontal_flip": True, "brightness": (1.5, 2.0)},
        }
    )


def _duplicates(max_component_fraction: float) -> dict[str, float]:
    return {
        "max_hamming_distance": CLOSE[0],
        "min_correlation": CLOSE[1],
        "max_component_fraction": max_component_fraction,
    }
