"""Copies are found, exact, mirrored and near, by plain references; and what becomes of labels that contradict."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faces.preparation import near_duplicates
from faces.preparation.label_conflicts import resolve
from faces.preparation.near_duplicates import clusters, image_keys, near_pairs, perceptual_hashes, standardised
from tests.pictures import CLOSE, mirrored, noisy, one_sided_pair, strangers

FACES = strangers(40)
NOISE = np.random.default_rng(3).integers(0, 256, (8, 4, 4), np.uint8)
"""Eight small images, one of them its own mirror image."""
NOISE[7] = np.minimum(NOISE[7], NOISE[7][:, ::-1])


def bits(image: np.ndarray) -> np.ndarray:
    """The hash of one image, (64,) bool, without cv2 and without an FFT."""
    side = len(image)
    # How much of the old pixel each new one covers, then 32 cosines of each frequency.
    edges = np.arange(33) * side / 32
    overlap = np.minimum(edges[1:, None], np.arange(side) + 1) - np.maximum(edges[:-1, None], np.arange(side))
    areas = np.maximum(overlap, 0) * 32 / side
    reduced = np.rint(areas @ image @ areas.T)
    cosines = np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(32) + 1) / 64)
    low = (cosines @ reduced @ cosines.T).ravel()
    return low.round(6) > np.median(low[1:]).round(6)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int((bits(one) != bits(other)).sum())


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def brute_force(images: np.ndarray, max_distance: int, min_correlation: float) -> dict[tuple[int, int], float]:
    """Near-duplicates by the definition, one pair at a time, with the correlation of the way that they are alike."""
    plain, turned = [bits(image) for image in images], [bits(mirrored(image)) for image in images]
    found = {}
    for first, second in combinations(range(len(images)), 2):
        one, other = images[first], images[second]
        distance = (plain[first] != plain[second]).sum()
        mirrored_distance = min((plain[first] != turned[second]).sum(), (turned[first] != plain[second]).sum())
        ways = [(other, distance), (mirrored(other), mirrored_distance)]
        close = [correlation(one, view) for view, bits_apart in ways if bits_apart <= max_distance]
        if max(close, default=-1) >= min_correlation:
            found[first, second] = max(close)
    return found


def pairs_of(table: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(table["first"].tolist(), table["second"].tolist(), strict=True))


@pytest.mark.parametrize("side", [48, 96])
def test_hashes_are_those_of_a_plain_reference(side: int) -> None:
    images = np.concatenate([strangers(20, side=side), noisy(strangers(5, side=side), deviation=60)])
    hashes = perceptual_hashes(images)
    assert hashes.dtype == np.uint64
    for image, found in zip(images, hashes, strict=True):
        np.testing.assert_array_equal(np.unpackbits(found[None].view(np.uint8)), bits(image))


@pytest.mark.parametrize("block", [1, 7, 40])
def test_a_hash_does_not_depend_on_its_block(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    every = np.concatenate([FACES, np.minimum(FACES, mirrored(FACES))])
    expected = perceptual_hashes(every)
    monkeypatch.setattr(near_duplicates, "BLOCK", block)
    np.testing.assert_array_equal(perceptual_hashes(every), expected)
    np.testing.assert_array_equal(perceptual_hashes(every[::-1]), expected[::-1])


@settings(deadline=None, max_examples=20)
@given(st.integers(-30, 65))
def test_a_hash_knows_nothing_of_brightness(more: int) -> None:
    brighter = FACES.astype(int) + more
    assert 0 <= brighter.min() < brighter.max() <= 255
    brighter = brighter.astype(np.uint8)
    np.testing.assert_array_equal(perceptual_hashes(brighter), perceptual_hashes(FACES))
    np.testing.assert_allclose(standardised(brighter), standardised(FACES), atol=1e-5)


def test_hashes_of_slightly_changed_faces_are_close_and_of_strangers_far() -> None:
    hashes = perceptual_hashes(FACES)
    np.testing.assert_array_equal(perceptual_hashes(FACES.copy()), hashes)
    for changed in (noisy(FACES), np.roll(FACES, 1, axis=1), np.roll(FACES, 1, axis=2), FACES // 2 + 60):
        distances = np.bitwise_count(hashes ^ perceptual_hashes(changed))
        assert distances.max() <= 14
        assert distances.mean() < 6
    others = np.bitwise_count(hashes[:, None] ^ hashes)[np.triu_indices(len(FACES), 1)]
    assert others.min() >= 14
    assert 28 < others.mean() < 36


def test_dot_products_of_standardised_faces_are_correlations() -> None:
    every = np.concatenate([FACES[:3], noisy(FACES[:2], deviation=30), np.full((1, 48, 48), 9, np.uint8)])
    flat = standardised(every)
    assert flat.dtype == np.float32
    expected = [[correlation(one, other) for other in every] for one in every]
    np.testing.assert_allclose(flat @ flat.T, expected, atol=1e-5)


def test_copies_and_mirrored_copies_share_a_key_and_others_do_not() -> None:
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
    "a mirror of itself": lambda image, seed: np.minimum(image, mirrored(image)),
    "constant": lambda image, seed: np.full_like(image, seed),
}
PICTURES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(sorted(KINDS)), st.integers(0, 3)), max_size=9)


@settings(deadline=None, max_examples=60)
@given(PICTURES, st.sampled_from([0, 2, 5, 10, 16]), st.sampled_from([0.3, 0.8, 0.9, 0.97]), st.integers(1, 10))
def test_near_pairs_are_those_of_brute_force(
    recipe: list[tuple[int, str, int]], max_distance: int, min_correlation: float, block: int
) -> None:
    made = [KINDS[kind](FACES[number], seed) for number, kind, seed in recipe]
    images = np.array(made, np.uint8).reshape(-1, 48, 48)
    every = [
        correlation(one, way) for one, other in combinations(images, 2) for way in (other, mirrored(other))
    ]  # Single precision may take one on the very threshold for either.
    assume(all(abs(value - min_correlation) > 1e-4 for value in every))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BLOCK", block)
        found = near_pairs(images, max_distance, min_correlation)
    expected = brute_force(images, max_distance, min_correlation)
    assert found.columns.tolist() == ["first", "second", "correlation", "mirrored"]
    assert pairs_of(found) == sorted(expected)
    np.testing.assert_allclose(found["correlation"], [expected[pair] for pair in pairs_of(found)], atol=1e-5)
    for first, second, value, turned in found.itertuples(index=False):
        other = mirrored(images[second]) if turned else images[second]
        assert correlation(images[first], other) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    ("copy", "turned"),
    [
        (lambda face: face.copy(), False),
        (mirrored, True),
        (noisy, False),
        (lambda face: mirrored(noisy(face)), True),
        (lambda face: face + np.uint8(50), False),
    ],
)
@pytest.mark.parametrize("first", [0, 3])
def test_a_planted_copy_is_found_and_nothing_else(copy, turned: bool, first: int) -> None:
    images = np.concatenate([FACES, copy(FACES[first])[None]])
    found = near_pairs(images, *CLOSE)
    assert found[["first", "second", "mirrored"]].to_numpy().tolist() == [[first, len(FACES), turned]]


def test_hash_alone_and_correlation_alone_make_no_pair() -> None:
    grainy = noisy(FACES[0], deviation=45)
    assert apart(FACES[0], grainy) <= 10
    assert correlation(FACES[0], grainy) < 0.7
    assert near_pairs(np.stack([FACES[0], grainy]), 10, 0.9).empty
    assert len(near_pairs(np.stack([FACES[0], grainy]), 10, 0.2)) == 1
    # A strong slope over both, and little else: it is one of the 64 frequencies, and most of the correlation.
    slope = np.broadcast_to(np.linspace(0, 200, 48), (48, 48))
    sloping = (slope + FACES[:2] / 10).astype(np.uint8)
    assert correlation(*sloping) > 0.98
    assert apart(*sloping) > 16
    assert near_pairs(sloping, 16, 0.9).empty
    assert len(near_pairs(sloping, 64, 0.9)) == 1


def test_it_does_not_matter_which_of_two_faces_is_the_mirrored_one() -> None:
    """Which of two is mirrored changes their hashes' distance; the check for leaks meets them the other way round."""
    first, second, distance = one_sided_pair()
    assert apart(mirrored(first), second) == distance < apart(first, mirrored(second))
    for images in (np.stack([first, second]), np.stack([second, first])):
        assert near_pairs(images, distance, 0.9)[["first", "second", "mirrored"]].to_numpy().tolist() == [[0, 1, True]]


def test_of_two_ways_to_be_alike_the_closer_one_is_told() -> None:
    """A face that is nearly its own mirror image is close to its copies, mirrored or not."""
    symmetric = FACES[0] / 2 + mirrored(FACES[0]) / 2
    face = (0.85 * symmetric + 0.15 * FACES[1]).astype(np.uint8)
    assert 0.9 < correlation(face, mirrored(face)) < 0.999
    found = near_pairs(np.stack([face, face, mirrored(face)]), 64, 0.9)
    assert pairs_of(found) == [(0, 1), (0, 2), (1, 2)]
    assert found["mirrored"].tolist() == [False, True, True]
    np.testing.assert_allclose(found["correlation"], 1, atol=1e-5)


def test_constant_faces_are_like_nothing() -> None:
    constant = np.stack([np.full((48, 48), grey, np.uint8) for grey in (0, 7, 7, 255)])
    assert near_pairs(np.concatenate([constant, FACES[:3]]), 64, 1e-3)["first"].min() >= len(constant)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_faces_make_no_pair(count: int) -> None:
    found = near_pairs(FACES[:count], *CLOSE)
    assert len(found) == 0
    assert found.columns.tolist() == ["first", "second", "correlation", "mirrored"]
    assert found[["first", "second"]].to_numpy().shape == (0, 2)
    assert perceptual_hashes(FACES[:0]).shape == (0,)
    assert standardised(FACES[:0]).shape == (0, 48 * 48)


def test_progress_goes_up_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "BLOCK", 16)
    heard: list[float] = []
    near_pairs(FACES, *CLOSE, tell=heard.append)
    assert heard == sorted(set(heard))
    assert heard[0] > 0
    assert heard[-1] == pytest.approx(1)
    assert len(heard) > 3


@settings(deadline=None)
@given(st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, 11)] * 2)))))
def test_clusters_are_what_plain_search_finds_named_by_the_first(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = drawn
    pairs = [pair for pair in pairs if max(pair) < count]
    found = clusters(count, np.array(pairs, np.int64).reshape(-1, 2))
    expected = list(range(count))
    for _ in range(count):
        for one, other in pairs:
            expected[one] = expected[other] = min(expected[one], expected[other])
    assert found.tolist() == expected


CLUSTER = np.array([0, 0, 0, 3, 4, 4, 6, 6, 8])
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
def test_conflicts_worked_by_hand(how: str, labels: list[str], dropped: list[int]) -> None:
    before = LABELS.copy()
    resolved, stay, conflict = resolve(LABELS, CLUSTER, how)
    assert np.flatnonzero(conflict).tolist() == [0, 1, 2, 4, 5]
    assert np.flatnonzero(~stay).tolist() == dropped
    assert resolved.tolist() == labels
    np.testing.assert_array_equal(LABELS, before)


@pytest.mark.parametrize(
    ("labels", "commonest"),
    [("aab", "a"), ("baa", "a"), ("abb", "b"), ("aabb", None), ("aabbb", "b"), ("aabbc", None), ("abc", None)],
)
def test_majority_by_hand(labels: str, commonest: str | None) -> None:
    resolved, stay, conflict = resolve(np.array([*labels, "z"]), np.array([0] * len(labels) + [9]), "majority")
    assert conflict.tolist() == [True] * len(labels) + [False]
    assert stay.tolist() == [commonest is not None] * len(labels) + [True]
    assert resolved.tolist() == [commonest or label for label in labels] + ["z"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=12))
def test_after_conflicts_are_resolved_no_cluster_bears_two_labels(rows: list[tuple[str, int]]) -> None:
    labels, cluster = np.array([row[0] for row in rows], str), np.array([row[1] for row in rows], int)
    for how in ("drop", "majority"):
        resolved, stay, conflict = resolve(labels, cluster, how)
        for number in set(cluster.tolist()):
            assert len(set(resolved[stay & (cluster == number)].tolist())) <= 1
        np.testing.assert_array_equal(resolved[~conflict], labels[~conflict])
        assert stay[~conflict].all()
        assert how == "majority" or not stay[conflict].any()
