"""Labels that are all off by the same way are found, by the faces' own symmetry."""

import numpy as np
import pytest

from faces.common.geometry import mirror_images, mirror_points
from faces.common.schema import KEYPOINTS, MIRROR_ORDER
from faces.data.label_offset import FEWEST, SIDE, symmetry, symmetry_figure, symmetry_sentence
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING

GENERATOR = np.random.default_rng(1)
IMAGES, POINTS = draw_faces(GENERATOR, GENERATOR.integers(0, 5, 400), 96, KEYPOINTS_FRAMING)


def test_one_of_each_pair_has_a_side() -> None:
    names = {KEYPOINTS[k] for k in SIDE} | {KEYPOINTS[k] for k in MIRROR_ORDER[SIDE]}
    assert len(SIDE) == 6
    assert {name for name in KEYPOINTS if "left" in name or "right" in name} == names


def test_exact_points_are_not_off() -> None:
    found = symmetry(IMAGES, POINTS)
    assert FEWEST < found.faces < len(IMAGES)
    assert abs(found.offset) < 0.3


@pytest.mark.parametrize("off", [-2.0, -0.5, 1.4])
def test_points_that_are_all_off_say_by_how_much_and_which_way(off: float) -> None:
    found, exact = symmetry(IMAGES, POINTS + np.array([off, 0.7], np.float32)), symmetry(IMAGES, POINTS)
    assert found.offset - exact.offset == pytest.approx(off, abs=0.15)
    side = "right" if off > 0 else "left"
    assert symmetry_sentence(found).startswith(f"points lie {abs(found.offset):.1f} px {side} of the faces' own middle")


def test_mirrored_faces_are_off_the_other_way() -> None:
    shifted = POINTS + np.array([1, 0], np.float32)
    found = symmetry(mirror_images(IMAGES), mirror_points(shifted, 96))
    assert found.offset == pytest.approx(-symmetry(IMAGES, shifted).offset, abs=0.15)


def test_few_faces_say_nothing_and_missing_points_do_not_hurt() -> None:
    found = symmetry(IMAGES[:FEWEST], POINTS[:FEWEST])
    assert np.isnan(found.offset)
    assert "too few" in symmetry_sentence(found)
    symmetry_figure(found)
    points = POINTS.copy()
    points[::2, KEYPOINTS.index("mouth_left_corner")] = np.nan
    points[1::4, KEYPOINTS.index("nose_tip")] = np.nan
    assert symmetry(IMAGES, points).offset == pytest.approx(symmetry(IMAGES, POINTS).offset, abs=0.3)


def test_the_figure_draws_both_middles() -> None:
    found = symmetry(IMAGES, POINTS + np.array([2, 0], np.float32))
    points, face = symmetry_figure(found).axes[0].lines
    assert np.ptp(np.asarray(points.get_xdata())) == np.ptp(np.asarray(face.get_xdata())) == 0
    assert np.asarray(points.get_xdata())[0] - np.asarray(face.get_xdata())[0] == pytest.approx(found.offset)
