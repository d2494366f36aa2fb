"""Small drawn images, and valid tables of them, for the tests of what happens between validation and training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.fft import idctn

from faces.common.schema import COORDINATES
from faces.preparation.near_duplicates import perceptual_hashes
from params import PrepareEmotion, PrepareKeypoints

CLOSE = (10, 0.9)
"""What counts as near-duplicates: bits of hash apart, correlation."""


def strangers(count: int, seed: int = 0, side: int = 48) -> np.ndarray:
    """Images (count, side, side) uint8 of soft random blotches, no two of them alike, all between 30 and 190.

    Every low frequency is there, so that a little noise changes few bits of the perceptual hash.
    """
    generator = np.random.default_rng([seed, side])
    waves = np.zeros((count, side, side))
    waves[:, :8, :8] = generator.choice([-1, 1], (count, 8, 8)) * generator.uniform(0.6, 1.4, (count, 8, 8))
    images = idctn(waves, axes=(1, 2))
    images -= images.min(axis=(1, 2), keepdims=True)
    return (30 + 160 * images / images.max(axis=(1, 2), keepdims=True)).astype(np.uint8)


def noisy(images: np.ndarray, seed: int = 0, deviation: float = 4.0) -> np.ndarray:
    """Near-duplicates: a little different in every pixel."""
    noise = np.random.default_rng(seed).normal(0, deviation, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def mirrored(images: np.ndarray) -> np.ndarray:
    return images[..., ::-1]


def one_sided_pair() -> tuple[np.ndarray, np.ndarray, int]:
    """Two images, one close to the other's mirror image, and how many bits apart: with the first one mirrored.

    With the second one mirrored instead, their hashes are more bits apart, as the medians are others.
    """
    first = strangers(300, seed=5)
    second = mirrored(noisy(first))
    turned_first = np.bitwise_count(perceptual_hashes(mirrored(first)) ^ perceptual_hashes(second))
    turned_second = np.bitwise_count(perceptual_hashes(first) ^ perceptual_hashes(mirrored(second)))
    found = np.flatnonzero(turned_first < turned_second)[0]
    return first[found], second[found], int(turned_first[found])


def emotion_table(
    images: np.ndarray,
    emotions: Sequence[str],
    persons: Sequence[str] | None = None,
    usages: Sequence[str] | None = None,
    rows: Sequence[int] | None = None,
) -> pd.DataFrame:
    """A valid table; by default row 3, 5, 7 and so on, as if every other row were quarantined."""
    table = pd.DataFrame({"row": range(3, 3 + 2 * len(images), 2) if rows is None else rows})
    table["pixels"] = [image.tobytes() for image in np.ascontiguousarray(images)]
    table["emotion"] = pd.Series(emotions, dtype="str")
    for name, values in (("usage", usages), ("person", persons)):
        if values is not None:
            table[name] = pd.Series(values, dtype="str")
    return table


def keypoint_table(images: np.ndarray, persons: Sequence[str] | None = None) -> pd.DataFrame:
    """A valid table of faces (N, 96, 96), a tenth of the points unlabelled."""
    generator = np.random.default_rng(0)
    points = generator.uniform(5, 90, (len(images), 15, 2)).astype(np.float32)
    points[generator.random(points.shape[:2]) < 0.1] = np.nan
    table = pd.DataFrame(points.reshape(-1, 30), columns=list(COORDINATES))
    table.insert(0, "row", range(1, len(images) + 1))
    table["pixels"] = [image.tobytes() for image in np.ascontiguousarray(images)]
    if persons is not None:
        table["person"] = pd.Series(persons, dtype="str")
    return table


def write_table(folder: Path, head: str, table: pd.DataFrame) -> Path:
    path = folder / "data" / "valid" / f"{head}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)
    return path


def emotion_settings(
    protocol: str = "grouped",
    classes: Sequence[str] = ("anger", "happiness"),
    answers: Sequence[str] | None = None,
    conflicts: str = "keep",
    max_cluster: float = 0.5,
    max_share_difference: float = 1.0,
    seed: int = 1,
    shares: tuple[float, float] = (0.3, 0.3),
) -> PrepareEmotion:
    return PrepareEmotion.model_validate(
        {
            "classes": classes,
            "answers": answers,
            "duplicates": {
                "max_distance": CLOSE[0],
                "min_correlation": CLOSE[1],
                "max_cluster": max_cluster,
                "conflicts": conflicts,
            },
            "split": {
                "protocol": protocol,
                "seed": seed,
                "validation": shares[0],
                "test": shares[1],
                "max_share_difference": max_share_difference,
            },
            "augment": {"seed": 1, "mirror": True, "brightness": (1.5, 2.0)},
        }
    )


def keypoint_settings(
    protocol: str = "grouped", max_cluster: float = 0.5, label_shift: tuple[float, float] = (0, 0)
) -> PrepareKeypoints:
    return PrepareKeypoints.model_validate(
        {
            "label_shift": label_shift,
            "duplicates": _close(max_cluster),
            "split": {"protocol": protocol, "seed": 1, "validation": 0.3, "test": 0.3},
            "augment": {"seed": 1, "mirror": True, "brightness": (1.5, 2.0)},
        }
    )


def _close(max_cluster: float) -> dict[str, float]:
    return {"max_distance": CLOSE[0], "min_correlation": CLOSE[1], "max_cluster": max_cluster}
