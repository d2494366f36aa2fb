"""Faces and their points are distorted together, as far as the settings say, and the same way in a graph."""

from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.common.geometry import mirror_images, mirror_points
from faces.common.schema import MIRROR_ORDER
from faces.training.augmentation import Distortions, distort_images, distort_points, draw_distortions
from tests.tiny import LIVELY, STILL, noise, targets

SIZE = 48


def drawn_with(faces: int, size: int = SIZE, seed: int = 1, **bounds: Any) -> Distortions:
    return draw_distortions(np.random.default_rng(seed), faces, size, **{**STILL, **bounds})


@pytest.mark.parametrize("size", [15, 16])
def test_without_distortion_faces_and_points_stay_exactly_as_they_are(size: int) -> None:
    images, points, drawn = noise(6, size), targets("keypoints", 6, size), drawn_with(6, size)
    assert np.isnan(points).any()
    np.testing.assert_array_equal(distort_images(images, drawn), images)
    np.testing.assert_array_equal(distort_points(points, drawn, size), points)


@pytest.mark.parametrize("size", [15, 16])
def test_a_mirror_alone_is_the_mirror_of_the_copies(size: int) -> None:
    images, points, drawn = noise(6, size), targets("keypoints", 6, size), drawn_with(6, size, mirror=1.0)
    assert drawn.mirrored.all()
    np.testing.assert_array_equal(distort_images(images, drawn), mirror_images(images))
    np.testing.assert_allclose(distort_points(points, drawn, size), mirror_points(points, size), atol=1e-5)


@pytest.mark.parametrize(
    "bounds",
    [
        {"mirror": 0.5},
        {"rotation": 180},
        {"shift": 0.2},
        {"scale": (0.7, 1.4)},
        {"mirror": 0.5, "rotation": 40, "shift": 0.15, "scale": (0.8, 1.25)},
    ],
    ids=["mirror", "rotation", "shift", "scale", "together"],
)
def test_a_dot_on_a_point_lands_on_the_distorted_point(bounds: dict[str, Any]) -> None:
    """Face k has one soft dot, on its only labelled point, number k % 15, which has a new name if mirrored."""
    faces = 30
    centres = np.random.default_rng(2).uniform(0.35 * SIZE, 0.65 * SIZE, (faces, 2))
    rows, columns = np.indices((SIZE, SIZE))
    squares = (columns - centres[:, :1, None]) ** 2 + (rows - centres[:, 1:, None]) ** 2
    images = np.rint(255 * np.exp(-squares / 8)).astype(np.uint8)
    points = np.full((faces, 15, 2), np.nan, np.float32)
    names = np.arange(faces) % 15
    points[np.arange(faces), names] = centres

    drawn = drawn_with(faces, **bounds)
    weights = np.asarray(distort_images(images, drawn)).astype(float)
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    found = np.stack([(weights * columns).sum(axis=(1, 2)), (weights * rows).sum(axis=(1, 2))], axis=1)
    distorted = np.asarray(distort_points(points, drawn, SIZE))

    names = np.where(drawn.mirrored, np.array(MIRROR_ORDER)[names], names)
    np.testing.assert_allclose(distorted[np.arange(faces), names], found, atol=0.3)
    assert np.isfinite(distorted).sum() == 2 * faces
    assert np.linalg.norm(found - centres, axis=1).max() > 2


def test_what_is_given_stays_as_it_was_and_images_stay_images() -> None:
    images, points, drawn = noise(8, SIZE), targets("keypoints", 8, SIZE), drawn_with(8, **LIVELY)
    before = images.copy(), points.copy()
    distorted = np.asarray(distort_images(images, drawn))
    assert (distorted.shape, distorted.dtype) == (images.shape, np.uint8)
    assert (distorted != images).any(axis=(1, 2)).all()
    assert np.asarray(distort_points(points, drawn, SIZE)).dtype == np.float32
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(points, before[1])


def test_points_out_of_the_image_are_unlabelled_and_unlabelled_ones_stay_so() -> None:
    points, drawn = targets("keypoints", 40, SIZE), drawn_with(40, shift=0.5)
    moved = points.astype(float) + drawn.moves[:, None, :, 2]
    inside = ((moved >= -0.5) & (moved <= SIZE - 0.5)).all(axis=2)
    assert (np.isfinite(points[..., 0]) & ~inside).sum() > 100
    expected = np.where(inside[..., None], moved, np.nan)
    np.testing.assert_allclose(distort_points(points, drawn, SIZE), expected, atol=1e-4)


def test_what_comes_from_outside_the_face_repeats_its_edge() -> None:
    images = np.tile(np.arange(16, dtype=np.uint8) * 10, (1, 16, 1))
    aside = np.array([[[1, 0, 3], [0, 1, 0]]], np.float32)
    drawn = drawn_with(1, 16)._replace(moves=aside, places=np.array([[1, 0, -3, 0, 1, 0, 0, 0]], np.float32))
    assert np.asarray(distort_images(images, drawn))[0, 5].tolist() == [0, 0, 0, *range(0, 130, 10)]


@pytest.mark.parametrize(
    ("contrast", "brightness", "expected"),
    [
        (1.0, 20.0, [20, 120, 220, 255]),
        (1.0, -20.0, [0, 80, 180, 235]),
        (2.0, 0.5, [0, 73, 255, 255]),
        (0.5, 0.25, [64, 114, 164, 192]),
        (0.0, 0.5, [128, 128, 128, 128]),
    ],
)
def test_contrast_and_brightness_by_hand(contrast: float, brightness: float, expected: list[int]) -> None:
    """Contrast is about the middle grey, 127.5: 2 * (100 - 127.5) + 127.5 + 0.5 = 73."""
    levels = np.array([0, 100, 200, 255], np.uint8)
    images = np.broadcast_to(levels[:, None, None], (4, 8, 8))
    drawn = drawn_with(4, 8)._replace(
        contrast=np.full(4, contrast, np.float32), brightness=np.full(4, brightness, np.float32)
    )
    np.testing.assert_array_equal(np.asarray(distort_images(images, drawn))[:, 2, 3], expected)


def test_erased_is_one_box_of_one_grey_within_the_face() -> None:
    faces, clear = 200, np.full((200, SIZE, SIZE), 255, np.uint8)
    clear[:, ::2] = 0
    drawn = drawn_with(faces, erase=1.0)
    # Black or white paint would not be told from the stripes.
    distorted = np.asarray(distort_images(clear, drawn._replace(paint=drawn.paint.clip(1, 254))))
    sides = []
    for before, after in zip(clear, distorted, strict=True):
        rows, columns = np.flatnonzero((before != after).any(axis=1)), np.flatnonzero((before != after).any(axis=0))
        box = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(box) == 0
        assert ((before != after).sum(), len(rows)) == (box.size, np.ptp(rows) + 1)
        sides.append(box.shape)
    # A tenth and four tenths of 48 px, to the whole pixel.
    assert 4 <= np.min(sides) < 7
    assert 17 < np.max(sides) <= 20
    assert len(set(distorted[distorted % 255 > 0].ravel())) > 50


def test_erasing_happens_as_often_as_its_probability() -> None:
    boxes = drawn_with(2000, erase=0.3).boxes
    erased = (boxes[:, 1] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 2])
    assert 0.25 < erased.mean() < 0.35
    np.testing.assert_array_equal(boxes[~erased, 0], boxes[~erased, 1])


def test_mirroring_happens_as_often_as_its_probability() -> None:
    assert 0.25 < drawn_with(2000, size=8, mirror=0.3).mirrored.mean() < 0.35


def test_noise_is_that_which_was_drawn_and_each_face_has_its_own_deviation() -> None:
    drawn = drawn_with(100, noise=20.0)
    grey = np.full((100, SIZE, SIZE), 128, np.uint8)
    found = np.asarray(distort_images(grey, drawn)).astype(float) - 128
    np.testing.assert_allclose(found, drawn.noise, atol=0.501)
    deviations = found.std(axis=(1, 2))
    assert deviations.max() < 21
    assert deviations.min() < 3
    assert 8 < deviations.mean() < 12
    assert np.abs(found.mean(axis=(1, 2))).max() < 3


def test_blur_is_a_gaussian_s_and_each_face_has_its_own() -> None:
    drawn = drawn_with(50, 48, blur=0.04)
    images = noise(50, 48)
    blurred = np.asarray(distort_images(images, drawn)).astype(float)
    np.testing.assert_allclose(drawn.blur.sum(axis=1), 1, rtol=1e-5)
    places = np.arange(drawn.blur.shape[1]) - drawn.blur.shape[1] // 2
    deviations = np.sqrt((drawn.blur * places**2).sum(axis=1))
    assert deviations.min() < 0.3 < 1.2 < deviations.max() <= 0.04 * 48
    for face in (int(deviations.argmax()), int(np.abs(deviations - 1).argmin())):
        kernel = drawn.blur[face].astype(float)
        expected = cv2.sepFilter2D(images[face].astype(float), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
        np.testing.assert_allclose(blurred[face], expected, atol=0.51)
    order = deviations.argsort()
    assert blurred[order[-5:]].std() < 0.4 * blurred[order[:5]].std()


def test_one_seed_gives_one_draw() -> None:
    first, again, other = (drawn_with(5, seed=seed, **LIVELY) for seed in (3, 3, 4))
    for name in Distortions._fields:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert name == "mirrored" or (getattr(first, name) != getattr(other, name)).any()


def test_distortions_are_the_same_in_a_graph() -> None:
    images, points, drawn = noise(12, SIZE), targets("keypoints", 12, SIZE), drawn_with(12, **LIVELY)

    @tf.function(reduce_retracing=True)
    def in_graph(images: tf.Tensor, points: tf.Tensor, drawn: Distortions) -> tuple[tf.Tensor, tf.Tensor]:
        return distort_images(images, drawn), distort_points(points, drawn, SIZE)

    found = in_graph(tf.constant(images), tf.constant(points), Distortions(*map(tf.constant, drawn)))
    eagerly = np.asarray(distort_images(images, drawn))
    # Sums in another order: a grey level half way between two may be rounded to the other.
    np.testing.assert_allclose(np.asarray(found[0]).astype(int), eagerly.astype(int), atol=1)
    assert (np.asarray(found[0]) != eagerly).mean() < 1e-3
    np.testing.assert_allclose(found[1], distort_points(points, drawn, SIZE), atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 180),
    st.floats(0, 0.5),
    st.tuples(st.floats(0.3, 1), st.floats(1, 3)),
    st.floats(0, 255),
    st.tuples(st.floats(0, 1), st.floats(1, 3)),
)
def test_draws_stay_within_the_bounds(
    seed: int,
    rotation: float,
    shift: float,
    scale: tuple[float, float],
    brightness: float,
    contrast: tuple[float, float],
) -> None:
    drawn = drawn_with(
        20,
        16,
        seed,
        mirror=0.5,
        rotation=rotation,
        shift=shift,
        scale=scale,
        blur=0.02,
        brightness=brightness,
        contrast=contrast,
    )
    linear = drawn.moves[:, :, :2].astype(float)
    size = np.linalg.det(linear)
    np.testing.assert_array_equal(size < 0, drawn.mirrored)
    assert scale[0] - 1e-3 < np.sqrt(abs(size)).min() <= np.sqrt(abs(size)).max() < scale[1] + 1e-3
    # Down stays down in a mirror, so where it goes tells the angle.
    angle = np.degrees(np.arctan2(-linear[:, 0, 1], linear[:, 1, 1]))
    assert np.abs(angle).max() < rotation + 1e-2
    middle = np.array([7.5, 7.5])
    assert np.abs(linear @ middle + drawn.moves[:, :, 2] - middle).max() < 16 * shift + 1e-3
    assert np.abs(drawn.brightness).max() <= brightness * (1 + 1e-6)
    assert contrast[0] - 1e-6 <= drawn.contrast.min() <= drawn.contrast.max() <= contrast[1] * (1 + 1e-6)
    # Where a pixel comes from goes to where it is.
    there = drawn.places[:, :6].reshape(20, 2, 3).astype(float)
    np.testing.assert_allclose(linear @ there[:, :, :2], np.broadcast_to(np.eye(2), (20, 2, 2)), atol=1e-4)
    np.testing.assert_allclose(np.einsum("nij,nj->ni", linear, there[:, :, 2]), -drawn.moves[:, :, 2], atol=1e-2)
