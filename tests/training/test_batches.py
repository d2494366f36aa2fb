"""Batches follow from seed, epoch and number alone; two faces mixed share their label as they share the pixels."""

from typing import Any

import numpy as np
import pytest

from faces.training.batches import Batches, Distort, Teaching
from faces.training.mixing import Mixing, mix_faces

FACES = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)


def as_they_are(
    generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return faces, targets


def distorted(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return faces + generator.integers(0, 100, faces.shape, np.uint8), targets


def batches(epochs: range = range(1), batch_size: int = 4, seed: int = 1, distort: Distort = as_they_are) -> Batches:
    return Batches(FACES, np.arange(10), batch_size, seed, epochs, distort)


def shown(epoch: int, **options: Any) -> list[list[int]]:
    """The numbers of the faces in each batch of an epoch."""
    return [targets.tolist() for _, targets in batches(range(epoch, epoch + 1), **options)]


def test_an_epoch_shows_each_face_at_most_once_and_leaves_over_what_fills_no_batch() -> None:
    epochs = [shown(epoch) for epoch in range(8)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4]
        assert len({face for batch in epoch for face in batch}) == 8
    assert len({str(epoch) for epoch in epochs}) == 8
    assert {face for epoch in epochs for batch in epoch for face in batch} == set(range(10))


def test_faces_and_targets_stay_together() -> None:
    faces, targets = batches()[1]
    np.testing.assert_array_equal(faces[:, 2, 3], targets)
    assert faces.dtype == np.uint8


def test_a_batch_follows_from_seed_epoch_and_number() -> None:
    """In whatever order batches are asked for, and however often."""
    first, again = batches(distort=distorted), batches(distort=distorted)
    late, early = first[1], first[0]
    np.testing.assert_array_equal(early[0], again[0][0])
    np.testing.assert_array_equal(late[0], again[1][0])
    np.testing.assert_array_equal(early[0], first[0][0])
    assert len({str(one) for one in (shown(0), shown(1), shown(0, seed=2))}) == 3
    # Not their order alone: each batch has a generator of its own.
    others = (batches(range(2), distort=distorted), batches(distort=distorted, seed=2))
    drawn = [faces - targets[:, None, None].astype(np.uint8) for data in others for faces, targets in data]
    assert len({each.tobytes() for each in drawn}) == 4 + 2


def test_the_first_batch_is_not_distorted_by_the_numbers_that_shuffled_it() -> None:
    drawn: list[float] = []

    def watched(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray):
        drawn.append(generator.random())
        return faces, targets

    assert batches(distort=watched, seed=3)[0]
    assert drawn != [np.random.default_rng([3, 0]).random()]


def test_begun_at_the_third_epoch_is_the_third_epoch_of_one_begun_before() -> None:
    begun_before, begun_there = batches(range(5), distort=distorted), batches(range(2, 5), distort=distorted)
    assert (len(begun_before), len(begun_there), begun_there.steps) == (5 * 2, 3 * 2, 2)
    for number in range(len(begun_there)):
        for one, other in zip(begun_before[2 * 2 + number], begun_there[number], strict=True):
            np.testing.assert_array_equal(one, other)


def test_fewer_faces_than_a_batch_holds_are_one_batch() -> None:
    data = batches(batch_size=64)
    assert (len(data), data.batch_size, data.steps) == (1, 10, 1)
    assert sorted(shown(0, batch_size=64)[0]) == list(range(10))


def mixed(seed: int, mixup: float, cutmix: float, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every face is a class of its own, so the shares (N, N) tell which faces were mixed, and how much of each."""
    targets = np.eye(len(faces), dtype=np.float32)
    return mix_faces(np.random.default_rng(seed), faces, targets, Mixing(mixup, cutmix))


LEVELS = np.arange(0, 240, 30, dtype=np.uint8)[:, None, None] * np.ones((16, 16), np.uint8)


def test_unmixed_faces_are_those_that_were_given() -> None:
    faces, shares = mixed(1, 0, 0, LEVELS)
    assert faces is LEVELS
    np.testing.assert_array_equal(shares, np.eye(len(LEVELS)))


@pytest.mark.parametrize("seed", range(5))
def test_mixup_blends_pixels_as_it_blends_labels(seed: int) -> None:
    given = np.random.default_rng(7).integers(0, 256, (8, 16, 16), np.uint8)
    before = given.copy()
    faces, shares = mixed(seed, 1.0, 0, given)
    assert (faces.dtype, shares.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(faces, np.einsum("nk,khw->nhw", shares, given), atol=0.51)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert (faces != given).any()
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_pastes_a_rectangle_and_labels_by_its_area(seed: int) -> None:
    before = LEVELS.copy()
    faces, shares = mixed(seed, 0, 1.0, LEVELS)
    assert (faces.dtype, shares.dtype) == (np.uint8, np.float32)
    areas = np.stack([(faces == level).mean(axis=(1, 2)) for level in LEVELS[:, 0, 0]], axis=1)
    np.testing.assert_array_equal(shares, areas)
    np.testing.assert_array_equal(shares.sum(axis=1), 1)
    for number, face in enumerate(faces):
        pasted = face != LEVELS[number, 0, 0]
        if pasted.any():
            rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
            assert pasted.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    np.testing.assert_array_equal(LEVELS, before)


def test_cutmix_pastes_everywhere_and_in_every_size() -> None:
    drawn = [mixed(seed, 0, 1.0, LEVELS)[0] != LEVELS for seed in range(60)]
    corners = np.any([pasted.any(axis=0)[[0, 0, -1, -1], [0, -1, 0, -1]] for pasted in drawn], axis=0)
    assert corners.all()
    sizes = {round(pasted.any(axis=0).mean(), 4) for pasted in drawn}
    assert min(sizes) < 0.1
    assert max(sizes) > 0.8


def test_with_both_set_each_happens_about_half_the_time() -> None:
    """Pasting makes no new grey level; blending does, 15 being the least half way between two."""
    pasted = [np.isin(mixed(seed, 1.0, 1.0, LEVELS)[0], LEVELS).all() for seed in range(100)]
    assert 30 < sum(pasted) < 75


@pytest.mark.parametrize(("strength", "least", "most"), [(0.1, 0.5, 1.0), (30.0, 0.0, 0.1)])
def test_a_low_parameter_mostly_leaves_faces_apart_and_a_high_one_halves_them(
    strength: float, least: float, most: float
) -> None:
    shares = np.array([mixed(seed, strength, 0, LEVELS)[1].max(axis=1).min() for seed in range(60)])
    assert least <= (shares > 0.9).mean() <= most


def test_after_its_rounds_a_teacher_is_not_asked_again() -> None:
    asked = []

    def teach(faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        asked.append(faces)
        return targets + faces.mean(axis=(1, 2))

    taught = Batches(FACES, np.arange(10), 4, 1, range(5), distorted, Teaching(teach, rounds=2))
    epochs = [[taught[epoch * taught.steps + number] for number in range(taught.steps)] for epoch in range(5)]
    assert len(asked) == 2 * taught.steps
    for later, first in ((2, 0), (3, 1), (4, 0)):
        for (faces, targets), (before, said) in zip(epochs[later], epochs[first], strict=True):
            np.testing.assert_array_equal(faces, before)
            np.testing.assert_array_equal(targets, said)
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])


def test_taken_up_after_its_rounds_a_training_is_taught_the_same() -> None:
    teaching = Teaching(lambda faces, targets: targets + faces.mean(axis=(1, 2)), rounds=2)
    whole = Batches(FACES, np.arange(10), 4, 1, range(5), distorted, teaching)
    rest = Batches(FACES, np.arange(10), 4, 1, range(3, 5), distorted, teaching)
    before = [whole[index] for index in range(len(whole))][3 * whole.steps :]
    for (faces, targets), (same, said) in zip([rest[index] for index in range(len(rest))], before, strict=True):
        np.testing.assert_array_equal(faces, same)
        np.testing.assert_array_equal(targets, said)
