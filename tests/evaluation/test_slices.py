"""Slices partition the images by each property; flip TTA flips the points back before it averages."""

import numpy as np
import pytest

from faces.common.geometry import mirror_points
from faces.common.image_stats import brightness, sharpness
from faces.common.schema import LEFT_EYE, RIGHT_EYE
from faces.evaluation.slices import group_sizes, slices
from faces.models.tta import average_flipped, unflip
from tests.pictures import strangers


def test_slices_by_hand() -> None:
    images = np.stack([np.full((8, 8), grey, np.uint8) for grey in (10, 90, 50, 20, 60, 100)])
    images[:3, ::2] += 100
    images[0, 0, [0, 2]] = [150, 70]
    found = slices(images, np.array([1, 1, 2, 3, 3, 3]))
    # Means: 60, 140, 100, 20, 60, 100. Three have stripes; the first also has two specks.
    indices = {(one.property, one.name): np.flatnonzero(one.faces).tolist() for one in found}
    assert indices == {
        ("brightness", "dark"): [0, 3, 4],
        ("brightness", "middling"): [2, 5],
        ("brightness", "bright"): [1],
        ("sharpness", "soft"): [3, 4, 5],
        ("sharpness", "middling"): [1, 2],
        ("sharpness", "sharp"): [0],
        ("group size", "1"): [2],
        ("group size", "2 to 4"): [0, 1, 3, 4, 5],
    }
    assert [(one.min, one.max) for one in found[:3]] == [(20, 60), (100, 100), (140, 140)]
    assert [(one.min, one.max) for one in found[-2:]] == [(1, 1), (2, 3)]


def test_every_image_is_in_one_slice_of_each_property() -> None:
    groups = np.repeat(np.arange(20), np.arange(20) % 7)
    found = slices(strangers(len(groups)), groups)
    for property in ("brightness", "sharpness", "group size"):
        masks = [one.faces for one in found if one.property == property]
        assert len(masks) == 3
        np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
        if property != "group size":
            assert max(map(np.sum, masks)) - min(map(np.sum, masks)) <= 2
    largest = next(one for one in found if one.name == "5 or more")
    assert (largest.min, largest.max) == (5, 6)


def test_brightness_sharpness_and_group_sizes() -> None:
    images = strangers(3)
    np.testing.assert_allclose(brightness(images), [image.mean() for image in images])
    np.testing.assert_allclose(sharpness(images + np.uint8(20)), sharpness(images))
    assert (sharpness(images // 2) < 0.5 * sharpness(images)).all()
    assert sharpness(np.full((1, 8, 8), 77, np.uint8)) == [0]
    # One bright pixel at the centre of 5x5: the Laplacian is -4 there and 1 at its four neighbours, times 10.
    point = np.zeros((1, 5, 5), np.uint8)
    point[0, 2, 2] = 10
    assert sharpness(point) == pytest.approx([(1600 + 4 * 100) / 25])
    assert group_sizes(np.array([4, 9, 4, 4])).tolist() == [3, 1, 3, 3]


def test_flip_tta_of_perfect_predictions_is_perfect() -> None:
    points = np.random.default_rng(0).uniform(0, 95, (4, 15, 2))
    of_flipped = mirror_points(points, 96)
    assert np.abs(average_flipped(points, of_flipped) - points).max() > 1
    np.testing.assert_allclose(average_flipped(points, unflip(of_flipped, 96)), points)


def test_flip_tta_by_hand() -> None:
    no_tta, of_flipped = np.zeros((1, 15, 2)), np.zeros((1, 15, 2))
    no_tta[0, LEFT_EYE] = [66, 37]
    of_flipped[0, RIGHT_EYE] = [31, 39]  # the left eye of the flipped image, at 95 - 31 = 64
    assert average_flipped(no_tta, unflip(of_flipped, 96))[0, LEFT_EYE].tolist() == [65, 38]
    probabilities = average_flipped(np.array([[0.9, 0.1]]), unflip(np.array([[0.5, 0.5]]), 48))
    np.testing.assert_allclose(probabilities, [[0.7, 0.3]])
