"""Corruptions increase with strength, keep type and shape, are deterministic, and transform the points."""

import numpy as np
import pytest

from faces.evaluation.corruptions import (
    CORRUPTIONS,
    Corruption,
    blurred,
    closer,
    closer_points,
    compressed,
    gamma_changed,
    noisy,
    occluded,
    rotated,
    rotated_points,
)
from tests.pictures import strangers

IMAGES = {side: strangers(12, seed=9, side=side) for side in (48, 96)}
EVERY = pytest.mark.parametrize("one", CORRUPTIONS, ids=lambda one: one.name)
SEEDED = [one for one in CORRUPTIONS if one.name not in ("blur", "JPEG", "closer")]


def change(one: Corruption, strength: float, side: int = 48, seed: int = 0) -> float:
    """Mean absolute difference from the original images."""
    return float(np.abs(one.apply(IMAGES[side], strength, seed).astype(float) - IMAGES[side]).mean())


@EVERY
@pytest.mark.parametrize("side", [48, 96])
def test_the_effect_increases_with_strength(one: Corruption, side: int) -> None:
    mild, medium, strong = (change(one, strength, side) for strength in one.strengths)
    assert 0.2 < mild < 0.95 * medium < 0.9 * strong


@EVERY
def test_type_and_shape_stay_and_the_input_is_unchanged(one: Corruption) -> None:
    images = IMAGES[48].copy()
    images.flags.writeable = False
    for strength in one.strengths:
        corrupted = one.apply(images, strength, 0)
        assert corrupted.dtype == np.uint8
        assert corrupted.shape == images.shape
        assert not np.shares_memory(corrupted, images)
    np.testing.assert_array_equal(images, IMAGES[48])
    assert one.apply(images[:0], one.strengths[0], 0).shape == (0, 48, 48)
    np.testing.assert_array_equal(
        one.apply(flipped_view(images), one.strengths[2], 0),
        one.apply(flipped_view(images).copy(), one.strengths[2], 0),
    )


def flipped_view(images: np.ndarray) -> np.ndarray:
    return images[:, :, ::-1]


@EVERY
def test_equal_seeds_give_equal_images(one: Corruption) -> None:
    first, again = (one.apply(IMAGES[48], one.strengths[1], 3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (one in SEEDED) == bool((first != one.apply(IMAGES[48], one.strengths[1], 4)).any())


@EVERY
def test_only_rotation_and_closer_move_points(one: Corruption) -> None:
    points = np.random.default_rng(0).uniform(0, 47, (12, 15, 2)).astype(np.float32)
    points[3, 4] = np.nan
    moved = one.move(points, one.strengths[2], 0, 48)
    assert moved.dtype == np.float32
    assert (one.name in ("rotation", "closer")) != np.array_equal(moved, points, equal_nan=True)
    assert np.isnan(moved[3, 4]).all()
    assert one.name == "closer" or np.array_equal(np.isnan(moved), np.isnan(points))
    assert not np.shares_memory(moved, points)


@pytest.mark.parametrize("degrees", [5, 10, 20])
def test_rotated_points_match_rotated_pixels(degrees: float) -> None:
    """Each image has one bright blob, located by its centre of mass."""
    generator = np.random.default_rng(1)
    centres = generator.uniform(25, 70, (16, 2))
    rows, columns = np.mgrid[:96, :96]
    blobs = np.exp(-((columns - centres[:, 0, None, None]) ** 2 + (rows - centres[:, 1, None, None]) ** 2) / 8)
    images = rotated((255 * blobs).astype(np.uint8), degrees, seed=2).astype(float)
    mass = images.sum(axis=(1, 2))
    found = np.stack([(images * columns).sum(axis=(1, 2)) / mass, (images * rows).sum(axis=(1, 2)) / mass], axis=1)
    points = np.full((16, 15, 2), np.nan)
    points[:, 7] = centres
    moved = rotated_points(points, degrees, 2, 96)
    np.testing.assert_allclose(moved[:, 7], found, atol=0.15)
    assert np.abs(moved[:, 7] - centres).max() > 1
    assert np.isnan(np.delete(moved, 7, axis=1)).all()


def test_rotations_have_both_directions_and_the_given_angle() -> None:
    points = np.full((40, 15, 2), 47.5)
    points[:, 1] += [20, 0]
    moved = rotated_points(points, 10, 0, 96)
    np.testing.assert_allclose(moved[:, 0], 47.5)
    arms = moved[:, 1] - 47.5
    angles = np.degrees(np.arctan2(arms[:, 1], arms[:, 0]))
    np.testing.assert_allclose(np.abs(angles), 10)
    assert 8 < (angles > 0).sum() < 32
    np.testing.assert_allclose(np.linalg.norm(arms, axis=1), 20)


def test_noise_has_the_given_standard_deviation_and_one_pattern() -> None:
    grey = np.full((4, 48, 48), 128, np.uint8)
    weak, strong = (noisy(grey, std, 5).astype(float) - 128 for std in (8, 16))
    assert weak.std() == pytest.approx(8, rel=0.05)
    assert strong.std() == pytest.approx(16, rel=0.05)
    assert weak.mean() == pytest.approx(0, abs=0.3)
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.99


def test_blur_has_the_given_width_at_both_image_sizes() -> None:
    for side in (48, 96):
        point = np.zeros((1, side, side), np.uint8)
        point[0, side // 2, side // 2] = 255
        row = blurred(np.repeat(point, 2, axis=0), 0.02)[1].sum(axis=0).astype(float)
        variance = (row * (np.arange(side) - side // 2) ** 2).sum() / row.sum()
        assert np.sqrt(variance) == pytest.approx(0.02 * side, rel=0.2)


def test_occlusion_is_one_square_in_the_mean_grey() -> None:
    occluded_images = occluded(IMAGES[48], 0.25, 3)
    pairs = list(zip(IMAGES[48], occluded_images, strict=True))
    for image, corrupted in pairs:
        changed = np.argwhere(corrupted != image)
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
        assert max(bottom - top, right - left) <= 11
        assert set(corrupted[top : bottom + 1, left : right + 1].ravel()) == {round(image.mean())}
        assert len(changed) > 120
    corners = {tuple(np.argwhere(corrupted != image).min(axis=0)) for image, corrupted in pairs}
    assert len(corners) > 8


def test_gamma_darkens_or_lightens_by_hand() -> None:
    grey = np.full((30, 2, 2), 64, np.uint8)
    # 255 (64/255)^2 = 16.06 and 255 (64/255)^(1/2) = 127.7.
    assert set(gamma_changed(grey, 2.0, 0)[:, 0, 0].tolist()) == {16, 128}
    ends = np.tile(np.array([0, 255], np.uint8), (30, 1, 1))
    np.testing.assert_array_equal(gamma_changed(ends, 3.0, 0), ends)


def test_jpeg_of_the_best_quality_changes_little() -> None:
    assert np.abs(compressed(IMAGES[48], 100).astype(int) - IMAGES[48]).max() <= 3


def test_points_match_pixels_after_closer() -> None:
    points = np.array([[[30, 40], [60, 50], [47, 20]]], np.float32)
    images = np.zeros((1, 96, 96), np.uint8)
    for x, y in points[0].astype(int):
        images[0, y - 1 : y + 2, x - 1 : x + 2] = 255
    moved, near = closer_points(points, 1.3, 0, 96)[0], closer(images, 1.3)[0]
    np.testing.assert_allclose(moved[0], [47.5 - 17.5 * 1.3, 47.5 - 7.5 * 1.3], rtol=1e-5)
    for x, y in np.rint(moved).astype(int):
        assert near[y, x] == 255
        assert near[max(y - 4, 0), x] == 0


def test_a_point_that_closer_moves_out_of_the_image_is_nan() -> None:
    points = np.array([[[2, 48], [47.5, 47.5], [48, 94], [np.nan, 50]]], np.float32)
    moved = closer_points(points, 1.15, 0, 96)[0]
    assert np.isnan(moved).any(axis=1).tolist() == [True, False, True, True]
    np.testing.assert_allclose(moved[1], 47.5)
