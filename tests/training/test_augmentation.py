"""Faces and keypoints are augmented together, within the bounds of the settings, and equally in a graph."""

from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.common.geometry import mirror_images, mirror_points
from faces.common.schema import MIRROR_ORDER
from faces.training.augmentation import (
    AugmentationParams,
    augment_images,
    augment_keypoints,
    sample_augmentation_params,
)
from tests.tiny import LIVELY, STILL, noise, targets

SIZE = 48


def sampled(num_faces: int, size: int = SIZE, seed: int = 1, **bounds: Any) -> AugmentationParams:
    return sample_augmentation_params(np.random.default_rng(seed), num_faces, size, **{**STILL, **bounds})


@pytest.mark.parametrize("size", [15, 16])
def test_without_augmentation_faces_and_keypoints_do_not_change(size: int) -> None:
    images, points, parameters = noise(6, size), targets("keypoints", 6, size), sampled(6, size)
    assert np.isnan(points).any()
    np.testing.assert_array_equal(augment_images(images, parameters), images)
    np.testing.assert_array_equal(augment_keypoints(points, parameters, size), points)


@pytest.mark.parametrize("size", [15, 16])
def test_horizontal_flip_alone_mirrors_faces_and_keypoints(size: int) -> None:
    images, points, parameters = noise(6, size), targets("keypoints", 6, size), sampled(6, size, horizontal_flip=1.0)
    assert parameters.flipped.all()
    np.testing.assert_array_equal(augment_images(images, parameters), mirror_images(images))
    np.testing.assert_allclose(augment_keypoints(points, parameters, size), mirror_points(points, size), atol=1e-5)


@pytest.mark.parametrize(
    "bounds",
    [
        {"horizontal_flip": 0.5},
        {"degrees": 180},
        {"translate": 0.2},
        {"scale": (0.7, 1.4)},
        {"horizontal_flip": 0.5, "degrees": 40, "translate": 0.15, "scale": (0.8, 1.25)},
    ],
    ids=["flip", "rotation", "translation", "scale", "together"],
)
def test_dot_on_a_keypoint_is_on_the_augmented_keypoint(bounds: dict[str, Any]) -> None:
    """Face k has one soft dot, on its only labelled keypoint, number k % 15, whose number changes if flipped."""
    num_faces = 30
    centres = np.random.default_rng(2).uniform(0.35 * SIZE, 0.65 * SIZE, (num_faces, 2))
    rows, columns = np.indices((SIZE, SIZE))
    squares = (columns - centres[:, :1, None]) ** 2 + (rows - centres[:, 1:, None]) ** 2
    images = np.rint(255 * np.exp(-squares / 8)).astype(np.uint8)
    points = np.full((num_faces, 15, 2), np.nan, np.float32)
    numbers = np.arange(num_faces) % 15
    points[np.arange(num_faces), numbers] = centres

    parameters = sampled(num_faces, **bounds)
    weights = np.asarray(augment_images(images, parameters)).astype(float)
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    found = np.stack([(weights * columns).sum(axis=(1, 2)), (weights * rows).sum(axis=(1, 2))], axis=1)
    augmented = np.asarray(augment_keypoints(points, parameters, SIZE))

    numbers = np.where(parameters.flipped, np.array(MIRROR_ORDER)[numbers], numbers)
    np.testing.assert_allclose(augmented[np.arange(num_faces), numbers], found, atol=0.3)
    assert np.isfinite(augmented).sum() == 2 * num_faces
    assert np.linalg.norm(found - centres, axis=1).max() > 2


def test_input_does_not_change_and_output_is_uint8() -> None:
    images, points, parameters = noise(8, SIZE), targets("keypoints", 8, SIZE), sampled(8, **LIVELY)
    before = images.copy(), points.copy()
    augmented = np.asarray(augment_images(images, parameters))
    assert (augmented.shape, augmented.dtype) == (images.shape, np.uint8)
    assert (augmented != images).any(axis=(1, 2)).all()
    assert np.asarray(augment_keypoints(points, parameters, SIZE)).dtype == np.float32
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(points, before[1])


def test_keypoints_out_of_the_image_become_unlabelled_and_unlabelled_ones_stay_so() -> None:
    points, parameters = targets("keypoints", 40, SIZE), sampled(40, translate=0.5)
    moved = points.astype(float) + parameters.point_affines[:, None, :, 2]
    inside = ((moved >= -0.5) & (moved <= SIZE - 0.5)).all(axis=2)
    assert (np.isfinite(points[..., 0]) & ~inside).sum() > 100
    expected = np.where(inside[..., None], moved, np.nan)
    np.testing.assert_allclose(augment_keypoints(points, parameters, SIZE), expected, atol=1e-4)


def test_pixels_from_outside_the_face_repeat_its_edge() -> None:
    images = np.tile(np.arange(16, dtype=np.uint8) * 10, (1, 16, 1))
    translation = np.array([[[1, 0, 3], [0, 1, 0]]], np.float32)
    parameters = sampled(1, 16)._replace(
        point_affines=translation, output_to_input_transforms=np.array([[1, 0, -3, 0, 1, 0, 0, 0]], np.float32)
    )
    assert np.asarray(augment_images(images, parameters))[0, 5].tolist() == [0, 0, 0, *range(0, 130, 10)]


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
    """Contrast is a factor about the middle grey 127.5: 2 * (100 - 127.5) + 127.5 + 0.5 = 73."""
    levels = np.array([0, 100, 200, 255], np.uint8)
    images = np.broadcast_to(levels[:, None, None], (4, 8, 8))
    parameters = sampled(4, 8)._replace(
        contrast=np.full(4, contrast, np.float32), brightness=np.full(4, brightness, np.float32)
    )
    np.testing.assert_array_equal(np.asarray(augment_images(images, parameters))[:, 2, 3], expected)


def test_random_erasing_fills_one_box_with_one_grey_level() -> None:
    striped = np.full((200, SIZE, SIZE), 255, np.uint8)
    striped[:, ::2] = 0
    parameters = sampled(200, random_erasing=1.0)
    # Black or white boxes could not be distinguished from the stripes.
    augmented = np.asarray(
        augment_images(striped, parameters._replace(erase_values=parameters.erase_values.clip(1, 254)))
    )
    sides = []
    for before, after in zip(striped, augmented, strict=True):
        rows, columns = np.flatnonzero((before != after).any(axis=1)), np.flatnonzero((before != after).any(axis=0))
        box = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(box) == 0
        assert ((before != after).sum(), len(rows)) == (box.size, np.ptp(rows) + 1)
        sides.append(box.shape)
    # A tenth and four tenths of 48 px, in whole pixels.
    assert 4 <= np.min(sides) < 7
    assert 17 < np.max(sides) <= 20
    assert len(set(augmented[augmented % 255 > 0].ravel())) > 50


def test_random_erasing_has_its_probability() -> None:
    erase_boxes = sampled(2000, random_erasing=0.3).erase_boxes
    erased = (erase_boxes[:, 1] > erase_boxes[:, 0]) & (erase_boxes[:, 3] > erase_boxes[:, 2])
    assert 0.25 < erased.mean() < 0.35
    np.testing.assert_array_equal(erase_boxes[~erased, 0], erase_boxes[~erased, 1])


def test_horizontal_flip_has_its_probability() -> None:
    assert 0.25 < sampled(2000, size=8, horizontal_flip=0.3).flipped.mean() < 0.35


def test_noise_is_the_sampled_one_and_each_face_has_its_own_standard_deviation() -> None:
    parameters = sampled(100, noise_std=20.0)
    grey = np.full((100, SIZE, SIZE), 128, np.uint8)
    found = np.asarray(augment_images(grey, parameters)).astype(float) - 128
    np.testing.assert_allclose(found, parameters.noise, atol=0.501)
    stds = found.std(axis=(1, 2))
    assert stds.max() < 21
    assert stds.min() < 3
    assert 8 < stds.mean() < 12
    assert np.abs(found.mean(axis=(1, 2))).max() < 3


def test_blur_is_gaussian_and_each_face_has_its_own_sigma() -> None:
    parameters = sampled(50, 48, blur_sigma=0.04)
    images = noise(50, 48)
    blurred = np.asarray(augment_images(images, parameters)).astype(float)
    np.testing.assert_allclose(parameters.blur_weights.sum(axis=1), 1, rtol=1e-5)
    taps = np.arange(parameters.blur_weights.shape[1]) - parameters.blur_weights.shape[1] // 2
    sigmas = np.sqrt((parameters.blur_weights * taps**2).sum(axis=1))
    assert sigmas.min() < 0.3 < 1.2 < sigmas.max() <= 0.04 * 48
    for face in (int(sigmas.argmax()), int(np.abs(sigmas - 1).argmin())):
        kernel = parameters.blur_weights[face].astype(float)
        expected = cv2.sepFilter2D(images[face].astype(float), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
        np.testing.assert_allclose(blurred[face], expected, atol=0.51)
    order = sigmas.argsort()
    assert blurred[order[-5:]].std() < 0.4 * blurred[order[:5]].std()


def test_parameters_follow_the_seed() -> None:
    first, again, other = (sampled(5, seed=seed, **LIVELY) for seed in (3, 3, 4))
    for name in AugmentationParams._fields:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert name == "flipped" or (getattr(first, name) != getattr(other, name)).any()


def test_augmentation_is_the_same_in_a_graph() -> None:
    images, points, parameters = noise(12, SIZE), targets("keypoints", 12, SIZE), sampled(12, **LIVELY)

    @tf.function(reduce_retracing=True)
    def in_graph(images: tf.Tensor, points: tf.Tensor, parameters: AugmentationParams) -> tuple[tf.Tensor, tf.Tensor]:
        return augment_images(images, parameters), augment_keypoints(points, parameters, SIZE)

    found = in_graph(tf.constant(images), tf.constant(points), AugmentationParams(*map(tf.constant, parameters)))
    eagerly = np.asarray(augment_images(images, parameters))
    # Sums are in another order, so a value half way between two grey levels may be rounded to the other one.
    np.testing.assert_allclose(np.asarray(found[0]).astype(int), eagerly.astype(int), atol=1)
    assert (np.asarray(found[0]) != eagerly).mean() < 1e-3
    np.testing.assert_allclose(found[1], augment_keypoints(points, parameters, SIZE), atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 180),
    st.floats(0, 0.5),
    st.tuples(st.floats(0.3, 1), st.floats(1, 3)),
    st.floats(0, 255),
    st.tuples(st.floats(0, 1), st.floats(1, 3)),
)
def test_parameters_are_within_their_bounds(
    seed: int,
    degrees: float,
    translate: float,
    scale: tuple[float, float],
    brightness: float,
    contrast: tuple[float, float],
) -> None:
    parameters = sampled(
        20,
        16,
        seed,
        horizontal_flip=0.5,
        degrees=degrees,
        translate=translate,
        scale=scale,
        blur_sigma=0.02,
        brightness=brightness,
        contrast=contrast,
    )
    linear = parameters.point_affines[:, :, :2].astype(float)
    size = np.linalg.det(linear)
    np.testing.assert_array_equal(size < 0, parameters.flipped)
    assert scale[0] - 1e-3 < np.sqrt(abs(size)).min() <= np.sqrt(abs(size)).max() < scale[1] + 1e-3
    # A flip does not change the vertical direction, so its image gives the angle.
    angle = np.degrees(np.arctan2(-linear[:, 0, 1], linear[:, 1, 1]))
    assert np.abs(angle).max() < degrees + 1e-2
    centre = np.array([7.5, 7.5])
    assert np.abs(linear @ centre + parameters.point_affines[:, :, 2] - centre).max() < 16 * translate + 1e-3
    assert np.abs(parameters.brightness).max() <= brightness * (1 + 1e-6)
    assert contrast[0] - 1e-6 <= parameters.contrast.min() <= parameters.contrast.max() <= contrast[1] * (1 + 1e-6)
    # The two transforms are inverse to each other.
    inverse = parameters.output_to_input_transforms[:, :6].reshape(20, 2, 3).astype(float)
    np.testing.assert_allclose(linear @ inverse[:, :, :2], np.broadcast_to(np.eye(2), (20, 2, 2)), atol=1e-4)
    np.testing.assert_allclose(
        np.einsum("nij,nj->ni", linear, inverse[:, :, 2]), -parameters.point_affines[:, :, 2], atol=1e-2
    )
