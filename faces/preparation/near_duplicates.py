"""Copies of a face: exact ones, mirrored ones, and near-duplicates by perceptual hash and pixel correlation."""

import hashlib
from collections.abc import Callable

import faiss
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from faces.preparation.perceptual_hash import perceptual_hashes

BLOCK = 1024
"""Faces whose neighbours are searched at one time, and pairs that are correlated at one time."""


def image_keys(images: np.ndarray) -> list[str]:
    """A key per face (N, H, W), equal for exact copies and their mirror images."""
    return [min(_digest(image), _digest(image[:, ::-1])) for image in images]


def count_distinct(images: np.ndarray) -> int:
    """How many of the faces (N, H, W) are not exact copies of an earlier one."""
    return len({_digest(image) for image in images})


def _digest(image: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(image).tobytes(), usedforsecurity=False).hexdigest()


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
    `on_progress` is called with the fraction done.

    FAISS compares the hashes of all pairs, so the search is exact, and its time grows with N squared. The images may be
    memory-mapped: only those of pairs with similar hashes are read.
    """
    hashes, flipped_hashes = perceptual_hashes(images), perceptual_hashes(images[:, :, ::-1])
    # The distance depends on which of two faces is mirrored, the correlation does not: either face may be.
    ways = [(hashes, hashes, False), (hashes, flipped_hashes, True), (flipped_hashes, hashes, True)]
    found = [_table(images, np.zeros((0, 2), np.int64), False)]
    for number, (queries, others, mirrored) in enumerate(ways):
        for start in range(0, len(images), BLOCK):
            pairs = start + _similar_hashes(queries[start : start + BLOCK], others[start:], max_hamming_distance)
            table = _table(images, pairs[pairs[:, 0] < pairs[:, 1]], mirrored)
            found.append(table[table["correlation"] >= min_correlation])
            on_progress((number + min((start + BLOCK) / len(images), 1)) / len(ways))
    table = pd.concat(found, ignore_index=True).sort_values(["first", "second", "correlation"])
    return table.drop_duplicates(["first", "second"], keep="last", ignore_index=True)


def _similar_hashes(queries: np.ndarray, others: np.ndarray, max_hamming_distance: int) -> np.ndarray:
    """Index pairs (M, 2) of hashes that differ by at most that many bits: of `queries` (Q,) and `others` (N,)."""
    index = faiss.IndexBinaryFlat(8 * others.itemsize)
    index.add(others.view(np.uint8).reshape(len(others), -1))
    # FAISS finds distances below the radius.
    ends, _, found = index.range_search(queries.view(np.uint8).reshape(len(queries), -1), max_hamming_distance + 1)
    return np.stack([np.repeat(np.arange(len(queries)), np.diff(ends.astype(np.int64))), found], axis=1)


def _table(images: np.ndarray, pairs: np.ndarray, mirrored: bool) -> pd.DataFrame:
    """The pairs (M, 2) with the correlation of their images, the second one mirrored or not."""
    blocks = [pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK)]
    each = [_correlations(images[block[:, 0]], images[block[:, 1]], mirrored) for block in blocks]
    correlation = np.concatenate([np.zeros(0, np.float32), *each])
    return pd.DataFrame(
        {"first": pairs[:, 0], "second": pairs[:, 1], "correlation": correlation, "mirrored": mirrored}
    ).astype({"mirrored": bool})


def _correlations(images: np.ndarray, others: np.ndarray, mirrored: bool) -> np.ndarray:
    """Of each of `images` (M, H, W) with that of `others` in its place; (M,) float32."""
    second = standardized(others[:, :, ::-1] if mirrored else others)
    found: np.ndarray = np.einsum("ij,ij->i", standardized(images), second)
    return found


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
