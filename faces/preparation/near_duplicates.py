"""Copies of a face: exact ones, mirrored ones, and near-duplicates by perceptual hash and pixel correlation."""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from scipy.fft import dctn
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

HASH_SIDE = 8
REDUCED_SIDE = 32
BLOCK = 1024


def image_keys(images: np.ndarray) -> list[str]:
    """A key per face (N, H, W), equal for exact copies and their mirror images."""
    return [min(_digest(image), _digest(image[:, ::-1])) for image in images]


def _digest(image: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(image).tobytes(), usedforsecurity=False).hexdigest()


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """64 bits per face (N, H, W), uint64: which low frequencies of the face at 32x32 px exceed their median.

    The DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010. The median
    excludes the mean brightness.
    """
    size = (REDUCED_SIDE, REDUCED_SIDE)
    how = cv2.INTER_AREA if images.shape[1] > REDUCED_SIDE else cv2.INTER_LINEAR
    hashes = np.empty(len(images), np.uint64)
    for start in range(0, len(images), BLOCK):
        reduced = np.stack([cv2.resize(image, size, interpolation=how) for image in images[start : start + BLOCK]])
        # In double precision, so that a hash does not depend on the block that contains its face.
        low = dctn(reduced.astype(float), axes=(1, 2))[:, :HASH_SIDE, :HASH_SIDE].reshape(len(reduced), -1)
        bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
        hashes[start : start + BLOCK] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def standardized(images: np.ndarray) -> np.ndarray:
    """(N, H * W) float32 of mean 0 and norm 1, so that a dot product is a correlation; all 0 for a constant face."""
    flat = images.reshape(len(images), images.shape[1] * images.shape[2]).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    unit_rows: np.ndarray = np.divide(flat, norms, out=np.zeros_like(flat), where=norms > 1e-3)
    return unit_rows


def find_near_duplicates(
    images: np.ndarray,
    max_hamming_distance: int,
    min_correlation: float,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> pd.DataFrame:
    """Pairs of near-duplicates among faces (N, H, W) uint8, each face compared with the others and their mirror images.

    Columns `first`, `second` (numbers of faces, first < second), `correlation`, `mirrored`. Two faces are
    near-duplicates if their hashes differ by at most `max_hamming_distance` bits and their pixels correlate by at least
    `min_correlation`. The hash alone would chain unrelated faces together; the correlation alone is expensive.
    `on_progress` is called with the fraction done. The time grows with N squared, at one or two nanoseconds a pair.
    """
    flipped = images[:, :, ::-1]
    hashes, flipped_hashes = perceptual_hashes(images), perceptual_hashes(flipped)
    flat, flipped_flat = standardized(images), standardized(flipped)
    # The distance depends on which of two faces is mirrored, the correlation does not: either face may be.
    ways = [
        (hashes, hashes, flat, False),
        (hashes, flipped_hashes, flipped_flat, True),
        (flipped_hashes, hashes, flipped_flat, True),
    ]
    found = []
    for number, (first_hashes, second_hashes, second_flat, mirrored) in enumerate(ways):
        for start in range(0, max(len(images), 1), BLOCK):
            distances = np.bitwise_count(first_hashes[start : start + BLOCK, None] ^ second_hashes[None, start:])
            first, second = np.nonzero(distances <= max_hamming_distance)
            pairs = np.stack([first, second], axis=1)[first < second] + start
            table = pd.DataFrame({"first": pairs[:, 0], "second": pairs[:, 1]})
            table["correlation"], table["mirrored"] = _correlations(flat, second_flat, pairs), mirrored
            found.append(table[table["correlation"] >= min_correlation])
            on_progress((number + min((start + BLOCK) / max(len(images), 1), 1)) / len(ways))
    table = pd.concat(found, ignore_index=True).sort_values(["first", "second", "correlation"])
    return table.drop_duplicates(["first", "second"], keep="last", ignore_index=True)


def _correlations(flat: np.ndarray, other: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of rows pairs[:, 0] of `flat` with rows pairs[:, 1] of `other`, both (N, H * W) standardized; (M,)."""
    blocks = [pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK)]
    return np.concatenate(
        [np.zeros(0), *(np.einsum("ij,ij->i", flat[each[:, 0]], other[each[:, 1]]) for each in blocks)]
    )


def duplicate_components(count: int, pairs: np.ndarray) -> np.ndarray:
    """The connected component of each of `count` faces, (count,) int64, as the number of its first face.

    `pairs` (M, 2) are the edges.
    """
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    first = np.full(component.max(initial=-1) + 1, count)
    np.minimum.at(first, component, np.arange(count))
    components: np.ndarray = first[component]
    return components
