"""Does a face stand on both sides of a split? Judged on the parts as written, by code that the split does not use.

It searches the other way round: by correlation first, over every pair of faces in different parts. Only the hash is
the same, for it defines what a near-duplicate is; where the correlation tells that two are one picture, it has no say.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from faces.preparation.near_duplicates import perceptual_hashes

Pairs = set[tuple[int, int]]
"""Numbers of two faces, each in its part."""

BLOCK = 512
ONE_PICTURE = 0.99
"""From this correlation on, two faces are near-duplicates whatever their hashes."""
ROUNDING = 1e-4
"""Two ways to add up thousands of products differ by less; a pair on the very threshold is not called a leak."""


def leaks(
    images: dict[str, np.ndarray],
    persons: dict[str, Sequence[str]],
    max_distance: int,
    min_correlation: float,
    tell: Callable[[float], None] = lambda share: None,
) -> dict[str, int]:
    """How many images, near-duplicate pairs and persons stand in more than one part.

    `images` holds (N, H, W) uint8 per part, `persons` (N,) names, "" where unknown. `alike_but_hashed_apart` counts the
    pairs that correlate by `min_correlation` across parts, while their hashes differ by more than `max_distance` bits:
    no near-duplicates by the definition, told so that a reviewer sees what it leaves.
    """
    pairs = list(combinations(images, 2))
    near, alike = 0, 0
    for number, (one, other) in enumerate(pairs):
        each = _pairs_across(images[one], images[other], max_distance, min_correlation)
        near, alike = near + len(each[0]), alike + len(each[1])
        tell((number + 1) / len(pairs))
    return {
        "images_in_two_parts": _images_in_two(images),
        "near_duplicate_pairs_across_parts": near,
        "persons_in_two_parts": _persons_in_two(persons),
        "alike_but_hashed_apart": alike - near,
    }


def seen(images: np.ndarray, others: np.ndarray, max_distance: int, min_correlation: float) -> np.ndarray:
    """Which faces (N, H, W) uint8 have a copy or near-duplicate among the `others`, mirrored or not; (N,) bool."""
    near, _ = _pairs_across(images, others, max_distance, min_correlation)
    return np.isin(np.arange(len(images)), [one for one, _ in near])


def _images_in_two(images: dict[str, np.ndarray]) -> int:
    places: dict[bytes, set[str]] = {}
    for part, faces in images.items():
        for face in faces:
            places.setdefault(min(face.tobytes(), np.fliplr(face).tobytes()), set()).add(part)
    return sum(len(where) > 1 for where in places.values())


def _persons_in_two(persons: dict[str, Sequence[str]]) -> int:
    parts_of: dict[str, set[str]] = {}
    for part, names in persons.items():
        for name in set(names) - {""}:
            parts_of.setdefault(name, set()).add(part)
    return sum(len(where) > 1 for where in parts_of.values())


def _pairs_across(one: np.ndarray, other: np.ndarray, max_distance: int, min_correlation: float) -> tuple[Pairs, Pairs]:
    """Pairs (near-duplicate, correlated at all) between two parts, the second one's mirror images included."""
    near: Pairs = set()
    alike: Pairs = set()
    flat = _unit(one)
    ours, theirs = ([perceptual_hashes(view) for view in (faces, faces[:, :, ::-1])] for faces in (one, other))
    # Either face of a mirrored pair may be the mirrored one: the distance depends on it, the correlation does not.
    for view, ways in ((other, [(0, 0)]), (other[:, :, ::-1], [(0, 1), (1, 0)])):
        for start in range(0, len(view), BLOCK):
            block = _unit(view[start : start + BLOCK])
            correlations = flat @ block.T
            first, second = np.nonzero(correlations >= min_correlation + ROUNDING)
            same = correlations[first, second] >= ONE_PICTURE
            second += start
            distance = np.min([np.bitwise_count(ours[a][first] ^ theirs[b][second]) for a, b in ways], axis=0)
            found = list(zip(first.tolist(), second.tolist(), strict=True))
            alike.update(found)
            near.update(pair for pair, is_near in zip(found, same | (distance <= max_distance), strict=True) if is_near)
    return near, alike


def _unit(faces: np.ndarray) -> np.ndarray:
    """(N, H * W) float32, each face of mean 0 and length 1: products are Pearson's r. A constant face gives 0."""
    rows = faces.reshape(len(faces), faces.shape[1] * faces.shape[2]).astype(np.float32)
    deviations = rows.std(axis=1, keepdims=True, dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    rows /= np.where(deviations > 0, deviations, np.inf).astype(np.float32) * np.float32(np.sqrt(rows.shape[1]))
    return rows
