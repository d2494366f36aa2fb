"""Corruptions: stronger is worse, bytes stay bytes, one seed is one outcome, and a rotation takes the points along."""

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

FACES = {side: strangers(12, seed=9, side=side) for side in (48, 96)}
EVERY = pytest.mark.parametrize("one", CORRUPTIONS, ids=lambda one: one.name)
DRAWN = [one for one in CORRUPTIONS if one.name not in ("blur", "JPEG", "closer")]


def change(one: Corruption, strength: float, side: int = 48, seed: int = 0) -> float:
    """Mean absolute difference to the faces as they were."""
    return float(np.abs(one.apply(FACES[side], strength, seed).astype(float) - FACES[side]).mean())


@EVERY
@pytest.mark.parametrize("side", [48, 96])
def test_stronger_changes_more(one: Corruption, side: int) -> None:
    mild, middling, strong = (change(one, strength, side) for strength in one.strengths)
    assert 0.2 < mild < 0.95 * middling < 0.9 * strong


@EVERY
def test_bytes_and_shape_stay_and_the_input_is_left_alone(one: Corruption) -> None:
    faces = FACES[48].copy()
    faces.flags.writeable = False
    for strength in one.strengths:
        made = one.apply(faces, strength, 0)
        assert made.dtype == np.uint8
        assert made.shape == faces.shape
        assert not np.shares_memory(made, faces)
    np.testing.assert_array_equal(faces, FACES[48])
    assert one.apply(faces[:0], one.strengths[0], 0).shape == (0, 48, 48)
    np.testing.assert_array_equal(
        one.apply(mirrored_view(faces), one.strengths[2], 0),
        one.apply(mirrored_view(faces).copy(), one.strengths[2], 0),
    )


def mirrored_view(faces: np.ndarray) -> np.ndarray:
    return faces[:, :, ::-1]


@EVERY
def test_one_seed_is_one_outcome(one: Corruption) -> None:
    first, again = (one.apply(FACES[48], one.strengths[1], 3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (one in DRAWN) == bool((first != one.apply(FACES[48], one.strengths[1], 4)).any())


@EVERY
def test_points_move_under_a_rotation_and_closer_only(one: Corruption) -> None:
    points = np.random.default_rng(0).uniform(0, 47, (12, 15, 2)).astype(np.float32)
    points[3, 4] = np.nan
    moved = one.move(points, one.strengths[2], 0, 48)
    assert moved.dtype == np.float32
    assert (one.name in ("rotation", "closer")) != np.array_equal(moved, points, equal_nan=True)
    assert np.isnan(moved[3, 4]).all()
    assert one.name == "closer" or np.array_equal(np.isnan(moved), np.isnan(points))
    assert not np.shares_memory(moved, points)


@pytest.mark.parametrize("degrees", [5, 10, 20])
def test_a_rotated_point_lies_on_its_rotated_pixel(degrees: float) -> None:
    """A bright blob per image, found again by its centre of mass."""
    generator = np.random.default_rng(1)
    places = generator.uniform(25, 70, (16, 2))
    rows, columns = np.mgrid[:96, :96]
    blobs = np.exp(-((columns - places[:, 0, None, None]) ** 2 + (rows - places[:, 1, None, None]) ** 2) / 8)
    turned = rotated((255 * blobs).astype(np.uint8), degrees, seed=2).astype(float)
    mass = turned.sum(axis=(1, 2))
    found = np.stack([(turned * columns).sum(axis=(1, 2)) / mass, (turned * rows).sum(axis=(1, 2)) / mass], axis=1)
    points = np.full((16, 15, 2), np.nan)
    points[:, 7] = places
    moved = rotated_points(points, degrees, 2, 96)
    np.testing.assert_allclose(moved[:, 7], found, atol=0.15)
    assert np.abs(moved[:, 7] - places).max() > 1
    assert np.isnan(np.delete(moved, 7, axis=1)).all()


def test_a_rotation_goes_to_both_sides_by_the_angle_given_about_the_middle() -> None:
    points = np.full((40, 15, 2), 47.5)
    points[:, 1] += [20, 0]
    moved = rotated_points(points, 10, 0, 96)
    np.testing.assert_allclose(moved[:, 0], 47.5)
    arms = moved[:, 1] - 47.5
    angles = np.degrees(np.arctan2(arms[:, 1], arms[:, 0]))
    np.testing.assert_allclose(np.abs(angles), 10)
    assert 8 < (angles > 0).sum() < 32
    np.testing.assert_allclose(np.linalg.norm(arms, axis=1), 20)


def test_noise_has_the_deviation_given_and_the_same_pattern() -> None:
    grey = np.full((4, 48, 48), 128, np.uint8)
    weak, strong = (noisy(grey, deviation, 5).astype(float) - 128 for deviation in (8, 16))
    assert weak.std() == pytest.approx(8, rel=0.05)
    assert strong.std() == pytest.approx(16, rel=0.05)
    assert weak.mean() == pytest.approx(0, abs=0.3)
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.99


def test_blur_is_as_wide_as_given_on_faces_of_either_size() -> None:
    for side in (48, 96):
        point = np.zeros((1, side, side), np.uint8)
        point[0, side // 2, side // 2] = 255
        row = blurred(np.repeat(point, 2, axis=0), 0.02)[1].sum(axis=0).astype(float)
        variance = (row * (np.arange(side) - side // 2) ** 2).sum() / row.sum()
        assert np.sqrt(variance) == pytest.approx(0.02 * side, rel=0.2)


def test_occlusion_hides_one_square_of_the_face_s_mean() -> None:
    hidden = occluded(FACES[48], 0.25, 3)
    for face, made in zip(FACES[48], hidden, strict=True):
        changed = np.argwhere(made != face)
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
        assert max(bottom - top, right - left) <= 11
        assert set(made[top : bottom + 1, left : right + 1].ravel()) == {round(face.mean())}
        assert len(changed) > 120
    corners = {tuple(np.argwhere(made != face).min(axis=0)) for face, made in zip(FACES[48], hidden, strict=True)}
    assert len(corners) > 8


def test_gamma_darkens_or_lightens_by_hand() -> None:
    grey = np.full((30, 2, 2), 64, np.uint8)
    # 255 (64/255)^2 = 16.06 and 255 (64/255)^(1/2) = 127.7.
    assert set(gamma_changed(grey, 2.0, 0)[:, 0, 0].tolist()) == {16, 128}
    ends = np.tile(np.array([0, 255], np.uint8), (30, 1, 1))
    np.testing.assert_array_equal(gamma_changed(ends, 3.0, 0), ends)


def test_jpeg_of_the_best_quality_changes_next_to_nothing() -> None:
    assert np.abs(compressed(FACES[48], 100).astype(int) - FACES[48]).max() <= 3


def test_a_dot_goes_where_its_point_goes_when_the_face_comes_closer() -> None:
    points = np.array([[[30, 40], [60, 50], [47, 20]]], np.float32)
    faces = np.zeros((1, 96, 96), np.uint8)
    for x, y in points[0].astype(int):
        faces[0, y - 1 : y + 2, x - 1 : x + 2] = 255
    moved, near = closer_points(points, 1.3, 0, 96)[0], closer(faces, 1.3)[0]
    np.testing.assert_allclose(moved[0], [47.5 - 17.5 * 1.3, 47.5 - 7.5 * 1.3], rtol=1e-5)
    for x, y in np.rint(moved).astype(int):
        assert near[y, x] == 255
        assert near[max(y - 4, 0), x] == 0


def test_a_point_pushed_out_by_coming_closer_is_not_asked_for() -> None:
    points = np.array([[[2, 48], [47.5, 47.5], [48, 94], [np.nan, 50]]], np.float32)
    moved = closer_points(points, 1.15, 0, 96)[0]
    assert np.isnan(moved).any(axis=1).tolist() == [True, False, True, True]
    np.testing.assert_allclose(moved[1], 47.5)
