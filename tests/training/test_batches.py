"""Batches depend only on seed, epoch and number; mixed faces have labels mixed in the same ratio."""

from typing import Any

import numpy as np
import pytest

from faces.training.batches import Augment, Batches, Distillation, TrainingFaces
from faces.training.mixing import Mixing, mix_faces

FACES = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)


def unchanged(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return faces, targets


def augmented(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return faces + generator.integers(0, 100, faces.shape, np.uint8), targets


def batches(epochs: range = range(1), batch_size: int = 4, seed: int = 1, augment: Augment = unchanged) -> Batches:
    return Batches(TrainingFaces(FACES, np.arange(10), 10), batch_size, seed, epochs, augment)


def faces_of(epoch: int, **options: Any) -> list[list[int]]:
    """The numbers of the faces in each batch of an epoch."""
    return [targets.tolist() for _, targets in batches(range(epoch, epoch + 1), **options)]


def test_epoch_has_each_face_at_most_once_and_only_whole_batches() -> None:
    epochs = [faces_of(epoch) for epoch in range(8)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4]
        assert len({face for batch in epoch for face in batch}) == 8
    assert len({str(epoch) for epoch in epochs}) == 8
    assert {face for epoch in epochs for batch in epoch for face in batch} == set(range(10))


def test_faces_and_targets_stay_together() -> None:
    faces, targets = batches()[1]
    np.testing.assert_array_equal(faces[:, 2, 3], targets)
    assert faces.dtype == np.uint8


def test_batch_follows_from_seed_epoch_and_number() -> None:
    """In whatever order batches are requested, and however often."""
    first, again = batches(augment=augmented), batches(augment=augmented)
    late, early = first[1], first[0]
    np.testing.assert_array_equal(early[0], again[0][0])
    np.testing.assert_array_equal(late[0], again[1][0])
    np.testing.assert_array_equal(early[0], first[0][0])
    assert len({str(one) for one in (faces_of(0), faces_of(1), faces_of(0, seed=2))}) == 3
    # Not only the order follows from them: each batch has its own generator.
    others = (batches(range(2), augment=augmented), batches(augment=augmented, seed=2))
    offsets = [faces - targets[:, None, None].astype(np.uint8) for data in others for faces, targets in data]
    assert len({each.tobytes() for each in offsets}) == 4 + 2


def test_first_batch_is_not_augmented_with_the_random_numbers_of_the_shuffle() -> None:
    first_numbers: list[float] = []

    def watched(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray):
        first_numbers.append(generator.random())
        return faces, targets

    assert batches(augment=watched, seed=3)[0]
    assert first_numbers != [np.random.default_rng([3, 0]).random()]


def test_batches_from_the_third_epoch_equal_those_of_a_longer_range() -> None:
    longer, shorter = batches(range(5), augment=augmented), batches(range(2, 5), augment=augmented)
    assert (len(longer), len(shorter), shorter.steps) == (5 * 2, 3 * 2, 2)
    for number in range(len(shorter)):
        for one, other in zip(longer[2 * 2 + number], shorter[number], strict=True):
            np.testing.assert_array_equal(one, other)


def test_fewer_faces_than_the_batch_size_are_one_batch() -> None:
    data = batches(batch_size=64)
    assert (len(data), data.batch_size, data.steps) == (1, 10, 1)
    assert sorted(faces_of(0, batch_size=64)[0]) == list(range(10))


def mixed(seed: int, mixup: float, cutmix: float, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every face is its own class, so the targets (N, N) show which faces were mixed, in which ratio."""
    targets = np.eye(len(faces), dtype=np.float32)
    return mix_faces(np.random.default_rng(seed), faces, targets, Mixing(mixup, cutmix))


LEVELS = np.arange(0, 240, 30, dtype=np.uint8)[:, None, None] * np.ones((16, 16), np.uint8)


def test_faces_are_unchanged_if_mixing_is_disabled() -> None:
    faces, mixed_targets = mixed(1, 0, 0, LEVELS)
    assert faces is LEVELS
    np.testing.assert_array_equal(mixed_targets, np.eye(len(LEVELS)))


@pytest.mark.parametrize("seed", range(5))
def test_mixup_blends_pixels_and_labels_alike(seed: int) -> None:
    images = np.random.default_rng(7).integers(0, 256, (8, 16, 16), np.uint8)
    before = images.copy()
    faces, mixed_targets = mixed(seed, 1.0, 0, images)
    assert (faces.dtype, mixed_targets.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(faces, np.einsum("nk,khw->nhw", mixed_targets, images), atol=0.51)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
    assert (faces != images).any()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_pastes_a_rectangle_and_mixes_labels_by_area(seed: int) -> None:
    before = LEVELS.copy()
    faces, mixed_targets = mixed(seed, 0, 1.0, LEVELS)
    assert (faces.dtype, mixed_targets.dtype) == (np.uint8, np.float32)
    areas = np.stack([(faces == level).mean(axis=(1, 2)) for level in LEVELS[:, 0, 0]], axis=1)
    np.testing.assert_array_equal(mixed_targets, areas)
    np.testing.assert_array_equal(mixed_targets.sum(axis=1), 1)
    for number, face in enumerate(faces):
        pasted = face != LEVELS[number, 0, 0]
        if pasted.any():
            rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
            assert pasted.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    np.testing.assert_array_equal(LEVELS, before)


def test_cutmix_pastes_at_every_position_and_size() -> None:
    masks = [mixed(seed, 0, 1.0, LEVELS)[0] != LEVELS for seed in range(60)]
    corners = np.any([pasted.any(axis=0)[[0, 0, -1, -1], [0, -1, 0, -1]] for pasted in masks], axis=0)
    assert corners.all()
    sizes = {round(pasted.any(axis=0).mean(), 4) for pasted in masks}
    assert min(sizes) < 0.1
    assert max(sizes) > 0.8


def test_if_both_are_enabled_each_mixes_about_half_the_batches() -> None:
    """Pasting makes no new grey level; blending does, because levels are at least 30 apart."""
    pasted = [np.isin(mixed(seed, 1.0, 1.0, LEVELS)[0], LEVELS).all() for seed in range(100)]
    assert 30 < sum(pasted) < 75


@pytest.mark.parametrize(("alpha", "low", "high"), [(0.1, 0.5, 1.0), (30.0, 0.0, 0.1)])
def test_low_alpha_hardly_mixes_and_high_alpha_mixes_half_and_half(alpha: float, low: float, high: float) -> None:
    mixed_targets = np.array([mixed(seed, alpha, 0, LEVELS)[1].max(axis=1).min() for seed in range(60)])
    assert low <= (mixed_targets > 0.9).mean() <= high


def distilled(epochs: range, rounds: int = 2) -> Batches:
    """A prediction shows its epoch, and its position in the order of the epoch's faces, which here is the face."""
    predictions = np.add.outer(1000.0 * np.arange(rounds), np.arange(10.0)).astype(np.float16)[:, :, None]
    faces = TrainingFaces(FACES, np.zeros((10, 1), np.float32), 10)
    return Batches(faces, 4, 1, epochs, augmented, Distillation(predictions, teacher_weight=1.0))


def test_predictions_are_those_of_the_face_and_of_the_epoch() -> None:
    plain, data = batches(range(2)), distilled(range(2))
    for number in range(len(data)):
        np.testing.assert_array_equal(data[number][1].ravel() % 1000, plain[number][1])
        assert {*(data[number][1] // 1000).ravel()} == {number // data.steps}


def test_later_epochs_replay_the_predicted_ones() -> None:
    data = distilled(range(5))
    epochs = [[data[epoch * data.steps + number] for number in range(data.steps)] for epoch in range(5)]
    for later, first in ((2, 0), (3, 1), (4, 0)):
        for (faces, targets), (same_faces, same_targets) in zip(epochs[later], epochs[first], strict=True):
            np.testing.assert_array_equal(faces, same_faces)
            np.testing.assert_array_equal(targets, same_targets)
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])


def test_resumed_training_replays_the_same_epochs() -> None:
    whole, rest = distilled(range(5)), distilled(range(3, 5))
    for number in range(len(rest)):
        for one, other in zip(rest[number], whole[3 * whole.steps + number], strict=True):
            np.testing.assert_array_equal(one, other)


def test_each_epoch_draws_its_own_unlabelled_faces() -> None:
    """All labelled faces, 0 to 5, and two of the four others."""
    data = TrainingFaces(FACES, np.arange(10), 6, unlabeled_samples=2)
    drawn = [data.epoch_indices(1, epoch) for epoch in range(8)]
    assert data.per_epoch == 8
    for indices in drawn:
        assert indices[:6].tolist() == list(range(6))
        assert len({*indices}) == 8
    assert len({tuple(indices) for indices in drawn}) > 3
    assert {face for indices in drawn for face in indices} == set(range(10))
    np.testing.assert_array_equal(drawn[3], data.epoch_indices(1, 3))
    batch = Batches(data, 8, 1, range(2), unchanged)
    assert sorted(batch[1][1]) == sorted(drawn[1])
    positions, _, targets = batch.augmented(1, 0)
    np.testing.assert_array_equal(drawn[1][positions], targets)
