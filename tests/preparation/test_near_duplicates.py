"""Exact, mirrored and near copies are found as by a reference implementation; conflicting labels are resolved."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faces.preparation import near_duplicates, perceptual_hash
from faces.preparation.label_conflicts import resolve_label_conflicts
from faces.preparation.near_duplicates import (
    duplicate_components,
    find_near_duplicates,
    image_keys,
    standardized,
)
from faces.preparation.perceptual_hash import perceptual_hashes
from tests.pictures import CLOSE, mirrored, noisy, one_sided_pair, strangers

FACES = strangers(40)
NOISE = np.random.default_rng(3).integers(0, 256, (8, 4, 4), np.uint8)
"""Eight small images, one of them its own mirror image."""
NOISE[7] = np.minimum(NOISE[7], NOISE[7][:, ::-1])


def bits(image: np.ndarray) -> np.ndarray:
    """The hash of one image, (64,) bool, without cv2 and without an FFT."""
    side = len(image)
    # The overlap of each old pixel with each new one, then 32 cosines of each frequency.
    edges = np.arange(33) * side / 32
    overlap = np.minimum(edges[1:, None], np.arange(side) + 1) - np.maximum(edges[:-1, None], np.arange(side))
    areas = np.maximum(overlap, 0) * 32 / side
    reduced = np.rint(areas @ image @ areas.T)
    cosines = np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(32) + 1) / 64)
    low = (cosines @ reduced @ cosines.T).ravel()
    return low.round(6) > np.median(low[1:]).round(6)


def hash_distance(one: np.ndarray, other: np.ndarray) -> int:
    """Hamming distance of the hashes."""
    return int((bits(one) != bits(other)).sum())


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def brute_force(images: np.ndarray, max_hamming_distance: int, min_correlation: float) -> dict[tuple[int, int], float]:
    """Near-duplicates by the definition, one pair at a time, with the higher correlation: mirrored or not."""
    plain, flipped = [bits(image) for image in images], [bits(mirrored(image)) for image in images]
    found = {}
    for first, second in combinations(range(len(images)), 2):
        one, other = images[first], images[second]
        distance = (plain[first] != plain[second]).sum()
        mirrored_distance = min((plain[first] != flipped[second]).sum(), (flipped[first] != plain[second]).sum())
        ways = [(other, distance), (mirrored(other), mirrored_distance)]
        close = [correlation(one, view) for view, bits_apart in ways if bits_apart <= max_hamming_distance]
        if max(close, default=-1) >= min_correlation:
            found[first, second] = max(close)
    return found


def pairs_of(table: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(table["first"].tolist(), table["second"].tolist(), strict=True))


@pytest.mark.parametrize("side", [48, 96])
def test_hashes_equal_those_of_the_reference(side: int) -> None:
    images = np.concatenate([strangers(20, side=side), noisy(strangers(5, side=side), deviation=60)])
    hashes = perceptual_hashes(images)
    assert hashes.dtype == np.uint64
    for image, found in zip(images, hashes, strict=True):
        np.testing.assert_array_equal(np.unpackbits(found[None].view(np.uint8)), bits(image))


@pytest.mark.parametrize("block", [1, 7, 40])
def test_hash_does_not_depend_on_its_block(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    every = np.concatenate([FACES, np.minimum(FACES, mirrored(FACES))])
    expected = perceptual_hashes(every)
    monkeypatch.setattr(perceptual_hash, "BLOCK", block)
    np.testing.assert_array_equal(perceptual_hashes(every), expected)
    np.testing.assert_array_equal(perceptual_hashes(every[::-1]), expected[::-1])


@settings(deadline=None, max_examples=20)
@given(st.integers(-30, 65))
def test_hash_does_not_depend_on_brightness(offset: int) -> None:
    brighter = FACES.astype(int) + offset
    assert 0 <= brighter.min() < brighter.max() <= 255
    brighter = brighter.astype(np.uint8)
    np.testing.assert_array_equal(perceptual_hashes(brighter), perceptual_hashes(FACES))
    np.testing.assert_allclose(standardized(brighter), standardized(FACES), atol=1e-5)


def test_hashes_of_slightly_changed_faces_are_close_and_of_unrelated_faces_far() -> None:
    hashes = perceptual_hashes(FACES)
    np.testing.assert_array_equal(perceptual_hashes(FACES.copy()), hashes)
    for changed in (noisy(FACES), np.roll(FACES, 1, axis=1), np.roll(FACES, 1, axis=2), FACES // 2 + 60):
        distances = np.bitwise_count(hashes ^ perceptual_hashes(changed))
        assert distances.max() <= 14
        assert distances.mean() < 6
    others = np.bitwise_count(hashes[:, None] ^ hashes)[np.triu_indices(len(FACES), 1)]
    assert others.min() >= 14
    assert 28 < others.mean() < 36


def test_dot_products_of_standardized_faces_are_correlations() -> None:
    every = np.concatenate([FACES[:3], noisy(FACES[:2], deviation=30), np.full((1, 48, 48), 9, np.uint8)])
    flat = standardized(every)
    assert flat.dtype == np.float32
    expected = [[correlation(one, other) for other in every] for one in every]
    np.testing.assert_allclose(flat @ flat.T, expected, atol=1e-5)


def test_only_copies_and_mirrored_copies_share_a_key() -> None:
    keys = image_keys(NOISE)
    assert len(set(keys)) == len(NOISE)
    assert image_keys(NOISE.copy()) == keys
    assert image_keys(mirrored(NOISE)) == keys
    assert set(image_keys(NOISE[:7, ::-1])).isdisjoint(keys)


KINDS = {
    "plain": lambda image, seed: image,
    "mirrored": lambda image, seed: mirrored(image),
    "noisy": lambda image, seed: noisy(image, seed),
    "very noisy": lambda image, seed: noisy(image, seed, 25),
    "noisy, mirrored": lambda image, seed: mirrored(noisy(image, seed, 8)),
    "brighter": lambda image, seed: image + np.uint8(40),
    "symmetric": lambda image, seed: np.minimum(image, mirrored(image)),
    "constant": lambda image, seed: np.full_like(image, seed),
}
COPIES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(sorted(KINDS)), st.integers(0, 3)), max_size=9)


@settings(deadline=None, max_examples=60)
@given(COPIES, st.sampled_from([0, 2, 5, 10, 16]), st.sampled_from([0.3, 0.8, 0.9, 0.97]), st.integers(1, 10))
def test_near_duplicates_equal_those_of_brute_force(
    copies: list[tuple[int, str, int]], max_hamming_distance: int, min_correlation: float, block: int
) -> None:
    made = [KINDS[kind](FACES[number], seed) for number, kind, seed in copies]
    images = np.array(made, np.uint8).reshape(-1, 48, 48)
    every = [correlation(one, way) for one, other in combinations(images, 2) for way in (other, mirrored(other))]
    # Single precision decides either way exactly at the threshold.
    assume(all(abs(value - min_correlation) > 1e-4 for value in every))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BLOCK", block)
        found = find_near_duplicates(images, max_hamming_distance, min_correlation)
    expected = brute_force(images, max_hamming_distance, min_correlation)
    assert found.columns.tolist() == ["first", "second", "correlation", "mirrored"]
    assert pairs_of(found) == sorted(expected)
    np.testing.assert_allclose(found["correlation"], [expected[pair] for pair in pairs_of(found)], atol=1e-5)
    for first, second, value, is_mirrored in found.itertuples(index=False):
        other = mirrored(images[second]) if is_mirrored else images[second]
        assert correlation(images[first], other) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    ("copy", "is_mirrored"),
    [
        (lambda face: face.copy(), False),
        (mirrored, True),
        (noisy, False),
        (lambda face: mirrored(noisy(face)), True),
        (lambda face: face + np.uint8(50), False),
    ],
)
@pytest.mark.parametrize("first", [0, 3])
def test_planted_copy_is_found_and_nothing_else(copy, is_mirrored: bool, first: int) -> None:
    images = np.concatenate([FACES, copy(FACES[first])[None]])
    found = find_near_duplicates(images, *CLOSE)
    assert found[["first", "second", "mirrored"]].to_numpy().tolist() == [[first, len(FACES), is_mirrored]]


def test_neither_hash_nor_correlation_alone_makes_a_pair() -> None:
    grainy = noisy(FACES[0], deviation=45)
    assert hash_distance(FACES[0], grainy) <= 10
    assert correlation(FACES[0], grainy) < 0.7
    assert find_near_duplicates(np.stack([FACES[0], grainy]), 10, 0.9).empty
    assert len(find_near_duplicates(np.stack([FACES[0], grainy]), 10, 0.2)) == 1
    # A strong slope over both, and little else: one of the 64 frequencies, but most of the correlation.
    slope = np.broadcast_to(np.linspace(0, 200, 48), (48, 48))
    sloping = (slope + FACES[:2] / 10).astype(np.uint8)
    assert correlation(*sloping) > 0.98
    assert hash_distance(*sloping) > 16
    assert find_near_duplicates(sloping, 16, 0.9).empty
    assert len(find_near_duplicates(sloping, 64, 0.9)) == 1


def test_either_face_of_a_pair_may_be_the_mirrored_one() -> None:
    """Mirroring the one or the other gives different hash distances; the leakage check takes the other order."""
    first, second, distance = one_sided_pair()
    assert hash_distance(mirrored(first), second) == distance < hash_distance(first, mirrored(second))
    for images in (np.stack([first, second]), np.stack([second, first])):
        assert find_near_duplicates(images, distance, 0.9)[["first", "second", "mirrored"]].to_numpy().tolist() == [
            [0, 1, True]
        ]


def test_higher_of_two_correlations_is_reported() -> None:
    """A nearly symmetric face is close to its copies, mirrored or not."""
    symmetric = FACES[0] / 2 + mirrored(FACES[0]) / 2
    face = (0.85 * symmetric + 0.15 * FACES[1]).astype(np.uint8)
    assert 0.9 < correlation(face, mirrored(face)) < 0.999
    found = find_near_duplicates(np.stack([face, face, mirrored(face)]), 64, 0.9)
    assert pairs_of(found) == [(0, 1), (0, 2), (1, 2)]
    assert found["mirrored"].tolist() == [False, True, True]
    np.testing.assert_allclose(found["correlation"], 1, atol=1e-5)


def test_constant_faces_have_no_near_duplicates() -> None:
    constant = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 7, 7, 255)])
    assert find_near_duplicates(np.concatenate([constant, FACES[:3]]), 64, 1e-3)["first"].min() >= len(constant)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_faces_make_no_pair(count: int) -> None:
    found = find_near_duplicates(FACES[:count], *CLOSE)
    assert len(found) == 0
    assert found.columns.tolist() == ["first", "second", "correlation", "mirrored"]
    assert found[["first", "second"]].to_numpy().shape == (0, 2)
    assert perceptual_hashes(FACES[:0]).shape == (0,)
    assert standardized(FACES[:0]).shape == (0, 48 * 48)


def test_progress_rises_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "BLOCK", 16)
    fractions: list[float] = []
    find_near_duplicates(FACES, *CLOSE, on_progress=fractions.append)
    assert fractions == sorted(set(fractions))
    assert fractions[0] > 0
    assert fractions[-1] == pytest.approx(1)
    assert len(fractions) > 3


@settings(deadline=None)
@given(st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, 11)] * 2)))))
def test_components_equal_those_of_a_plain_search(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = graph
    pairs = [pair for pair in pairs if max(pair) < count]
    found = duplicate_components(count, np.array(pairs, np.int64).reshape(-1, 2))
    expected = list(range(count))
    for _ in range(count):
        for one, other in pairs:
            expected[one] = expected[other] = min(expected[one], expected[other])
    assert found.tolist() == expected


COMPONENT = np.array([0, 0, 0, 3, 4, 4, 6, 6, 8])
LABELS = np.array(["sad", "anger", "sad", "sad", "anger", "sad", "happiness", "happiness", "anger"])


@pytest.mark.parametrize(
    ("how", "labels", "dropped"),
    [
        ("keep", LABELS.tolist(), []),
        ("drop", LABELS.tolist(), [0, 1, 2, 4, 5]),
        # Two of three say sad; one against one is no majority.
        ("majority", ["sad", "sad", "sad", *LABELS[3:].tolist()], [4, 5]),
    ],
)
def test_conflicts_by_hand(how: str, labels: list[str], dropped: list[int]) -> None:
    before = LABELS.copy()
    resolved, kept, conflict = resolve_label_conflicts(LABELS, COMPONENT, how)
    assert np.flatnonzero(conflict).tolist() == [0, 1, 2, 4, 5]
    assert np.flatnonzero(~kept).tolist() == dropped
    assert resolved.tolist() == labels
    np.testing.assert_array_equal(LABELS, before)


@pytest.mark.parametrize(
    ("labels", "most_frequent"),
    [("aab", "a"), ("baa", "a"), ("abb", "b"), ("aabb", None), ("aabbb", "b"), ("aabbc", None), ("abc", None)],
)
def test_majority_by_hand(labels: str, most_frequent: str | None) -> None:
    resolved, kept, conflict = resolve_label_conflicts(
        np.array([*labels, "z"]), np.array([0] * len(labels) + [9]), "majority"
    )
    assert conflict.tolist() == [True] * len(labels) + [False]
    assert kept.tolist() == [most_frequent is not None] * len(labels) + [True]
    assert resolved.tolist() == [most_frequent or label for label in labels] + ["z"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=12))
def test_no_component_has_two_labels_after_resolution(rows: list[tuple[str, int]]) -> None:
    labels, component = np.array([row[0] for row in rows], str), np.array([row[1] for row in rows], int)
    for how in ("drop", "majority"):
        resolved, kept, conflict = resolve_label_conflicts(labels, component, how)
        for number in set(component.tolist()):
            assert len(set(resolved[kept & (component == number)].tolist())) <= 1
        np.testing.assert_array_equal(resolved[~conflict], labels[~conflict])
        assert kept[~conflict].all()
        assert how == "majority" or not kept[conflict].any()
