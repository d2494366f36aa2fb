"""Leakage between splits, counted on the splits as written, by code that the split does not use.

The search goes the other way round: by correlation first, over every pair of faces in different splits. Only the hash
is shared, because it is part of the definition of a near-duplicate. From the correlation `SAME_IMAGE` on, the hash is
ignored.

A correlation is the dot product of two standardized faces u and v. With an orthonormal basis of K dimensions, of which
p and q are the coefficients, and the norms r and s of what the basis leaves out, u v = p q + (what is left out) is at
most p q + r s, by the inequality of Cauchy and Schwarz. So the pairs whose p q + r s reaches the threshold contain all
that correlate by it, for any basis. Principal components leave few others, whose correlation is then computed.
"""

import hashlib
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

from faces.preparation.perceptual_hash import perceptual_hashes

BLOCK = 2048
"""Faces of either split whose pairs are compared at one time."""
COMPONENTS = 48
COMPONENTS_FROM = 1024
"""Faces of each split from which the principal components are computed."""
SAME_IMAGE = 0.99
"""From this correlation on, two faces are near-duplicates whatever their hashes."""
ROUNDING = 1e-4
"""Two ways to add up thousands of products differ by less; a pair exactly at the threshold is not counted as a leak."""


class _Split(NamedTuple):
    """The faces (N, H, W) of a split, and of them and of their mirror images the hashes and coefficients."""

    images: np.ndarray
    hashes: list[np.ndarray]
    coefficients: list[np.ndarray]


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
    basis = _principal_components(list(images.values()))
    pairs = list(combinations([_split(faces, basis) for faces in images.values()], 2))
    num_near, num_correlated = 0, 0
    for number, (one, other) in enumerate(pairs):
        progress = _fraction_of(on_progress, number, len(pairs))
        near, correlated = _pairs_across(one, other, max_hamming_distance, min_correlation, progress)
        num_near, num_correlated = num_near + len(near), num_correlated + correlated
    return {
        "images_in_multiple_splits": _images_in_multiple_splits(images),
        "cross_split_near_duplicates": num_near,
        "subjects_in_multiple_splits": _subjects_in_multiple_splits(subjects),
        "correlated_beyond_hash_distance": num_correlated - num_near,
    }


def seen(images: np.ndarray, others: np.ndarray, max_hamming_distance: int, min_correlation: float) -> np.ndarray:
    """Which faces (N, H, W) uint8 have a copy or near-duplicate among the `others`, mirrored or not; (N,) bool."""
    basis = _principal_components([images, others])
    near, _ = _pairs_across(_split(images, basis), _split(others, basis), max_hamming_distance, min_correlation)
    return np.isin(np.arange(len(images)), near[:, 0])


def _images_in_multiple_splits(images: dict[str, np.ndarray]) -> int:
    splits_of: dict[bytes, set[str]] = {}
    for split, split_images in images.items():
        for image in split_images:
            either = min(image.tobytes(), np.fliplr(image).tobytes())
            splits_of.setdefault(hashlib.blake2b(either, digest_size=16).digest(), set()).add(split)
    return sum(len(splits) > 1 for splits in splits_of.values())


def _subjects_in_multiple_splits(subjects: dict[str, Sequence[str]]) -> int:
    splits_of: dict[str, set[str]] = {}
    for split, names in subjects.items():
        for name in set(names) - {""}:
            splits_of.setdefault(name, set()).add(split)
    return sum(len(splits) > 1 for splits in splits_of.values())


def _split(images: np.ndarray, basis: np.ndarray) -> _Split:
    views = (images, images[:, :, ::-1])
    hashes, coefficients = [perceptual_hashes(view) for view in views], [_coefficients(view, basis) for view in views]
    return _Split(images, hashes, coefficients)


def _pairs_across(
    one: _Split,
    other: _Split,
    max_hamming_distance: int,
    min_correlation: float,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> tuple[np.ndarray, int]:
    """Near-duplicates (M, 2) by their numbers in both splits, and how many pairs correlate at all.

    The second split is compared mirrored as well.
    """
    near, correlated = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)]
    # Either face of a mirrored pair may be the mirrored one: the distance depends on it, the correlation does not.
    for mirrored, ways in enumerate(([(0, 0)], [(0, 1), (1, 0)])):
        progress = _fraction_of(on_progress, mirrored, 2)
        pairs, correlations = _correlated(one, other, mirrored, min_correlation + ROUNDING, progress)
        first, second = pairs.T
        each = [np.bitwise_count(one.hashes[a][first] ^ other.hashes[b][second]) for a, b in ways]
        correlated.append(pairs)
        near.append(pairs[(correlations >= SAME_IMAGE) | (np.min(each, axis=0) <= max_hamming_distance)])
    return np.unique(np.concatenate(near), axis=0), len(np.unique(np.concatenate(correlated), axis=0))


def _correlated(
    one: _Split, other: _Split, mirrored: int, threshold: float, on_progress: Callable[[float], None]
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (M, 2) of faces of both splits that correlate by the threshold, and their correlations (M,).

    With `mirrored`, 0 or 1, the faces of the second split are mirrored.
    """
    pairs, correlations = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.float32)]
    others = other.images[:, :, ::-1] if mirrored else other.images
    for start in range(0, len(one.images), BLOCK):
        on_progress(start / len(one.images))
        for other_start in range(0, len(others), BLOCK):
            block = other.coefficients[mirrored][other_start : other_start + BLOCK]
            bounds = one.coefficients[0][start : start + BLOCK] @ block.T
            first, second = np.divmod(np.flatnonzero(bounds >= threshold - ROUNDING), bounds.shape[1])
            found = np.stack([start + first, other_start + second], axis=1)
            for some in np.array_split(found, len(found) // BLOCK + 1):
                values = np.einsum("ij,ij->i", _unit(one.images[some[:, 0]]), _unit(others[some[:, 1]]))
                pairs.append(some[values >= threshold])
                correlations.append(values[values >= threshold])
    on_progress(1)
    return np.concatenate(pairs), np.concatenate(correlations)


def _principal_components(splits: Sequence[np.ndarray]) -> np.ndarray:
    """An orthonormal basis (K, H * W) of most of what some faces of all splits show, mirrored or not."""
    some = np.concatenate([images[:: len(images) // COMPONENTS_FROM + 1] for images in splits])
    units = _unit(np.concatenate([some, some[:, :, ::-1]]))
    if not len(units):
        return units
    components: np.ndarray = randomized_svd(units, min(COMPONENTS, len(units)), random_state=0)[2]
    return components


def _coefficients(images: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """(N, K + 1): each face in the basis (K, H * W), and the norm of what the basis leaves out of it."""
    found = np.empty((len(images), len(basis) + 1), np.float32)
    for start in range(0, len(images), BLOCK):
        units = _unit(images[start : start + BLOCK])
        block = units @ basis.T
        left_out = (units * units).sum(axis=1) - (block * block).sum(axis=1)
        found[start : start + BLOCK] = np.column_stack([block, np.sqrt(np.maximum(left_out, 0))])
    return found


def _fraction_of(on_progress: Callable[[float], None], number: int, count: int) -> Callable[[float], None]:
    """The progress of part `number` of `count` equal parts."""
    return lambda done: on_progress((number + done) / count)


def _unit(images: np.ndarray) -> np.ndarray:
    """(N, H * W) float32, each face of mean 0 and norm 1: dot products are Pearson's r. A constant face gives 0."""
    rows = images.reshape(len(images), images.shape[1] * images.shape[2]).astype(np.float32)
    stds = rows.std(axis=1, keepdims=True, dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    rows /= np.where(stds > 0, stds, np.inf).astype(np.float32) * np.float32(np.sqrt(rows.shape[1]))
    return rows
