"""Leakage between splits, counted on the splits as written, by code that the split does not use.

The search goes the other way round: by correlation first, over every pair of faces in different splits. Only the hash
is shared, because it is part of the definition of a near-duplicate. From the correlation `SAME_IMAGE` on, the hash is
ignored.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from faces.preparation.near_duplicates import perceptual_hashes

Pairs = set[tuple[int, int]]
"""Numbers of two faces, each in its own split."""

BLOCK = 512
SAME_IMAGE = 0.99
"""From this correlation on, two faces are near-duplicates whatever their hashes."""
ROUNDING = 1e-4
"""Two ways to add up thousands of products differ by less; a pair exactly at the threshold is not counted as a leak."""


def count_leakage(
    images: dict[str, np.ndarray],
    subjects: dict[str, Sequence[str]],
    max_hamming_distance: int,
    min_correlation: float,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, int]:
    """How many images, near-duplicate pairs and subjects are in more than one split.

    `images` holds (N, H, W) uint8 per split; `subjects` holds N names per split, "" where unknown.
    `correlated_beyond_hash_distance` counts the pairs across splits that correlate by `min_correlation` while their
    hashes differ by more than `max_hamming_distance` bits. By the definition these are no near-duplicates; the count
    shows a reviewer what the definition excludes.
    """
    pairs = list(combinations(images, 2))
    num_near, num_correlated = 0, 0
    for number, (one, other) in enumerate(pairs):
        near, correlated = _pairs_across(images[one], images[other], max_hamming_distance, min_correlation)
        num_near, num_correlated = num_near + len(near), num_correlated + len(correlated)
        on_progress((number + 1) / len(pairs))
    return {
        "images_in_multiple_splits": _images_in_multiple_splits(images),
        "cross_split_near_duplicates": num_near,
        "subjects_in_multiple_splits": _subjects_in_multiple_splits(subjects),
        "correlated_beyond_hash_distance": num_correlated - num_near,
    }


def seen(images: np.ndarray, others: np.ndarray, max_hamming_distance: int, min_correlation: float) -> np.ndarray:
    """Which faces (N, H, W) uint8 have a copy or near-duplicate among the `others`, mirrored or not; (N,) bool."""
    near, _ = _pairs_across(images, others, max_hamming_distance, min_correlation)
    return np.isin(np.arange(len(images)), [one for one, _ in near])


def _images_in_multiple_splits(images: dict[str, np.ndarray]) -> int:
    splits_of: dict[bytes, set[str]] = {}
    for split, split_images in images.items():
        for image in split_images:
            splits_of.setdefault(min(image.tobytes(), np.fliplr(image).tobytes()), set()).add(split)
    return sum(len(splits) > 1 for splits in splits_of.values())


def _subjects_in_multiple_splits(subjects: dict[str, Sequence[str]]) -> int:
    splits_of: dict[str, set[str]] = {}
    for split, names in subjects.items():
        for name in set(names) - {""}:
            splits_of.setdefault(name, set()).add(split)
    return sum(len(splits) > 1 for splits in splits_of.values())


def _pairs_across(
    one: np.ndarray, other: np.ndarray, max_hamming_distance: int, min_correlation: float
) -> tuple[Pairs, Pairs]:
    """Pairs (near-duplicate, correlated at all) between two splits; the second is compared mirrored as well."""
    near: Pairs = set()
    correlated: Pairs = set()
    flat = _unit(one)
    one_hashes, other_hashes = (
        [perceptual_hashes(view) for view in (images, images[:, :, ::-1])] for images in (one, other)
    )
    # Either face of a mirrored pair may be the mirrored one: the distance depends on it, the correlation does not.
    for view, ways in ((other, [(0, 0)]), (other[:, :, ::-1], [(0, 1), (1, 0)])):
        for start in range(0, len(view), BLOCK):
            block = _unit(view[start : start + BLOCK])
            correlations = flat @ block.T
            first, second = np.nonzero(correlations >= min_correlation + ROUNDING)
            same = correlations[first, second] >= SAME_IMAGE
            second += start
            distance = np.min(
                [np.bitwise_count(one_hashes[a][first] ^ other_hashes[b][second]) for a, b in ways], axis=0
            )
            found = list(zip(first.tolist(), second.tolist(), strict=True))
            correlated.update(found)
            near.update(
                pair for pair, is_near in zip(found, same | (distance <= max_hamming_distance), strict=True) if is_near
            )
    return near, correlated


def _unit(images: np.ndarray) -> np.ndarray:
    """(N, H * W) float32, each face of mean 0 and norm 1: dot products are Pearson's r. A constant face gives 0."""
    rows = images.reshape(len(images), images.shape[1] * images.shape[2]).astype(np.float32)
    stds = rows.std(axis=1, keepdims=True, dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    rows /= np.where(stds > 0, stds, np.inf).astype(np.float32) * np.float32(np.sqrt(rows.shape[1]))
    return rows
