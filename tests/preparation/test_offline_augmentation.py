"""Images and keypoints agree after mirroring, brightening, normalizing and resizing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.common.geometry import mirror_images, mirror_points, resize_images
from faces.common.schema import KEYPOINTS, LEFT_EYE, MIRROR_ORDER, RIGHT_EYE
from faces.preparation.brightness import brighten
from faces.preparation.normalization import pixel_statistics
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING

ALL_GREYS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


def random_points(size: int, faces: int = 3) -> np.ndarray:
    """Keypoints (faces, 15, 2) float32 on whole pixels, all of one face distinct, a fifth of them unlabelled."""
    generator = np.random.default_rng(size)
    cells = np.stack([generator.choice(size * size, len(KEYPOINTS), replace=False) for _ in range(faces)])
    points = np.stack([cells % size, cells // size], axis=2).astype(np.float32)
    points[generator.random(points.shape[:2]) < 0.2] = np.nan
    return points


@pytest.mark.parametrize("size", [95, 96])
def test_mirroring_twice_is_the_identity(size: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, size, size), np.uint8)
    points = random_points(size)
    assert np.isnan(points).any()
    once = mirror_points(points, size)
    np.testing.assert_array_equal(mirror_images(mirror_images(images)), images)
    np.testing.assert_allclose(mirror_points(once, size), points, rtol=1e-6)
    assert (mirror_images(images) != images).any()
    assert once.dtype == points.dtype
    np.testing.assert_array_equal(np.isnan(once), np.isnan(points[:, MIRROR_ORDER]))


def test_mirroring_keypoints_does_not_change_the_input() -> None:
    points = random_points(96)
    before = points.copy()
    mirror_points(points, 96)
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize("size", [95, 96])
def test_mirrored_keypoint_is_on_its_mirrored_pixel(size: int) -> None:
    """The pixel of keypoint k has the grey level 100 + k; in the mirrored face, left and right are swapped."""
    points = random_points(size)
    images = np.zeros((len(points), size, size), np.uint8)
    for image, face in zip(images, points, strict=True):
        for k in np.flatnonzero(np.isfinite(face[:, 0])):
            image[int(face[k, 1]), int(face[k, 0])] = 100 + k
    found = 0
    for image, face in zip(mirror_images(images), mirror_points(points, size), strict=True):
        for k in np.flatnonzero(np.isfinite(face[:, 0])):
            assert image[int(face[k, 1]), int(face[k, 0])] == 100 + MIRROR_ORDER[k]
            found += 1
    assert found == np.isfinite(points[..., 0]).sum() > 20


@pytest.mark.parametrize("point", KEYPOINTS)
def test_mirroring_swaps_left_and_right_and_nothing_else(point: str) -> None:
    swapped = {"left": "right", "right": "left"}
    expected = "_".join(swapped.get(word, word) for word in point.split("_"))
    assert KEYPOINTS[MIRROR_ORDER[KEYPOINTS.index(point)]] == expected


def test_left_eye_stays_to_the_right_of_the_right_eye() -> None:
    _, points = draw_faces(np.random.default_rng(2), np.arange(4), 96, KEYPOINTS_FRAMING)
    for these in (points, mirror_points(points, 96)):
        assert (these[:, LEFT_EYE, 0] > these[:, RIGHT_EYE, 0] + 10).all()


@settings(deadline=None)
@given(st.floats(0, 10))
def test_brightening_keeps_the_range_and_the_order_of_grey_levels(factor: float) -> None:
    bright = brighten(ALL_GREYS, np.array([factor]))
    assert bright.dtype == np.uint8
    assert (np.diff(bright.ravel().astype(int)) >= 0).all()
    np.testing.assert_allclose(bright, np.minimum(ALL_GREYS * factor, 255), atol=1)


@pytest.mark.parametrize(("factor", "expected"), [(0, [0, 0, 0]), (1, [0, 100, 200]), (2, [0, 200, 255])])
def test_brightening_by_hand(factor: float, expected: list[int]) -> None:
    assert brighten(np.array([[[0, 100, 200]]], np.uint8), np.array([factor])).tolist() == [[expected]]


def test_factor_one_is_the_identity_and_each_face_has_its_own_factor() -> None:
    images = np.concatenate([ALL_GREYS, ALL_GREYS // 2])
    np.testing.assert_array_equal(brighten(images, np.array([1.0, 1.0])), images)
    np.testing.assert_array_equal(brighten(images, np.array([1.0, 2.0]))[0], images[0])
    np.testing.assert_array_equal(brighten(images, np.array([1.0, 2.0]))[1], ALL_GREYS[0] // 2 * 2)


@pytest.mark.parametrize("high", [2, 200, 256])
def test_statistics_equal_those_of_numpy(high: int) -> None:
    images = np.random.default_rng(high).integers(0, high, (5, 9, 7), np.uint8)
    found = pixel_statistics(images)
    assert found["mean"] == pytest.approx(images.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(max(images.std(), 1.0), rel=1e-12)
    assert {type(value) for value in found.values()} == {float}


@pytest.mark.parametrize("grey", [0, 37, 255])
def test_standard_deviation_of_a_constant_image_is_one(grey: int) -> None:
    assert pixel_statistics(np.full((2, 4, 4), grey, np.uint8)) == {"mean": grey, "std": 1.0}


def test_same_size_changes_nothing_and_grey_levels_are_kept() -> None:
    np.testing.assert_array_equal(resize_images(ALL_GREYS, 16), ALL_GREYS)
    for size in (8, 32):
        assert set(resize_images(np.full((2, 16, 16), 91, np.uint8), size).ravel()) == {91}
    # Area means, so every pixel counts: one pixel of 160 in each 4 x 4 becomes a constant 10.
    dots = np.zeros((1, 16, 16), np.uint8)
    dots[:, ::4, ::4] = 160
    assert set(resize_images(dots, 4).ravel()) == {10}
