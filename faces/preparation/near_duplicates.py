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
    """A key per face (N, H, W) that its exact copies and their mirror images share."""
    return [min(_digest(image), _digest(image[:, ::-1])) for image in images]


def _digest(image: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(image).tobytes(), usedforsecurity=False).hexdigest()


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """64 bits per face (N, H, W), uint64: which low frequencies of its 32x32 reduction exceed their median.

    The DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010. The median leaves
    the mean brightness out.
    """
    size = (REDUCED_SIDE, REDUCED_SIDE)
    how = cv2.INTER_AREA if images.shape[1] > REDUCED_SIDE else cv2.INTER_LINEAR
    hashes = np.empty(len(images), np.uint64)
    for start in range(0, len(images), BLOCK):
        reduced = np.stack([cv2.resize(image, size, interpolation=how) for image in images[start : start + BLOCK]])
        # In double precision, so that a hash does not depend on the block that its face is in.
        low = dctn(reduced.astype(float), axes=(1, 2))[:, :HASH_SIDE, :HASH_SIDE].reshape(len(reduced), -1)
        bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
        hashes[start : start + BLOCK] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def standardised(images: np.ndarray) -> np.ndarray:
    """(N, H * W) float32 of mean 0 and length 1, so that a dot product is a correlation; all 0 where constant."""
    flat = images.reshape(len(images), images.shape[1] * images.shape[2]).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 1e-3)


def near_pairs(
    images: np.ndarray, max_distance: int, min_correlation: float, tell: Callable[[float], None] = lambda share: None
) -> pd.DataFrame:
    """Pairs of faces (N, H, W) uint8 that are alike, or of which one is alike to the other's mirror image.

    Columns `first`, `second` (numbers of faces, first < second), `correlation`, `mirrored`. Alike: at most
    `max_distance` bits of their hashes differ, and their pixels correlate by `min_correlation` or more. The hash alone
    chains strangers together; the correlation alone is dear. `tell` hears the share that is done; the time grows with N
    squared, at a nanosecond or two a pair.
    """
    turned = images[:, :, ::-1]
    hashes, turned_hashes = perceptual_hashes(images), perceptual_hashes(turned)
    flat, turned_flat = standardised(images), standardised(turned)
    # The distance depends on which of two faces is mirrored, the correlation does not: either face may be.
    ways = [
        (hashes, hashes, flat, False),
        (hashes, turned_hashes, turned_flat, True),
        (turned_hashes, hashes, turned_flat, True),
    ]
    found = []
    for number, (ours, theirs, other, mirrored) in enumerate(ways):
        for start in range(0, max(len(images), 1), BLOCK):
            distances = np.bitwise_count(ours[start : start + BLOCK, None] ^ theirs[None, start:])
            first, second = np.nonzero(distances <= max_distance)
            pairs = np.stack([first, second], axis=1)[first < second] + start
            table = pd.DataFrame({"first": pairs[:, 0], "second": pairs[:, 1]})
            table["correlation"], table["mirrored"] = _correlations(flat, other, pairs), mirrored
            found.append(table[table["correlation"] >= min_correlation])
            tell((number + min((start + BLOCK) / max(len(images), 1), 1)) / len(ways))
    every = pd.concat(found, ignore_index=True).sort_values(["first", "second", "correlation"])
    return every.drop_duplicates(["first", "second"], keep="last", ignore_index=True)


def _correlations(flat: np.ndarray, other: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    blocks = [pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK)]
    return np.concatenate(
        [np.zeros(0), *(np.einsum("ij,ij->i", flat[each[:, 0]], other[each[:, 1]]) for each in blocks)]
    )


def clusters(count: int, pairs: np.ndarray) -> np.ndarray:
    """The cluster of each of `count` faces, (N,) int64, as pairs (M, 2) chain them: the number of its first face."""
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    first = np.full(component.max(initial=-1) + 1, count)
    np.minimum.at(first, component, np.arange(count))
    return first[component]
