"""An offset common to all labels is found from the symmetry of the faces."""

import numpy as np
import pytest

from faces.common.geometry import mirror_images, mirror_points
from faces.common.schema import KEYPOINTS, MIRROR_ORDER
from faces.data.label_offset import MIN_FRONTAL_FACES, SIDE, describe_label_offset, symmetry
from faces.plots.exploration import symmetry_figure
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING

GENERATOR = np.random.default_rng(1)
IMAGES, POINTS = draw_faces(GENERATOR, GENERATOR.integers(0, 5, 400), 96, KEYPOINTS_FRAMING)


def test_side_has_one_keypoint_of_each_pair() -> None:
    names = {KEYPOINTS[k] for k in SIDE} | {KEYPOINTS[k] for k in MIRROR_ORDER[SIDE]}
    assert len(SIDE) == 6
    assert {name for name in KEYPOINTS if "left" in name or "right" in name} == names


def test_exact_points_have_no_offset() -> None:
    found = symmetry(IMAGES, POINTS)
    assert MIN_FRONTAL_FACES < found.num_faces < len(IMAGES)
    assert abs(found.offset) < 0.3


@pytest.mark.parametrize("shift", [-2.0, -0.5, 1.4])
def test_a_shift_of_all_points_is_found_with_its_direction(shift: float) -> None:
    found, exact = symmetry(IMAGES, POINTS + np.array([shift, 0.7], np.float32)), symmetry(IMAGES, POINTS)
    assert found.offset - exact.offset == pytest.approx(shift, abs=0.15)
    side = "right" if shift > 0 else "left"
    expected = f"keypoints lie {abs(found.offset):.1f} px {side} of the symmetry axis"
    assert describe_label_offset(found).startswith(expected)


def test_mirrored_faces_have_the_opposite_offset() -> None:
    shifted = POINTS + np.array([1, 0], np.float32)
    found = symmetry(mirror_images(IMAGES), mirror_points(shifted, 96))
    assert found.offset == pytest.approx(-symmetry(IMAGES, shifted).offset, abs=0.15)


def test_few_faces_give_no_offset_and_missing_points_are_ignored() -> None:
    found = symmetry(IMAGES[:MIN_FRONTAL_FACES], POINTS[:MIN_FRONTAL_FACES])
    assert np.isnan(found.offset)
    assert "too few" in describe_label_offset(found)
    symmetry_figure(found)
    points = POINTS.copy()
    points[::2, KEYPOINTS.index("mouth_left_corner")] = np.nan
    points[1::4, KEYPOINTS.index("nose_tip")] = np.nan
    assert symmetry(IMAGES, points).offset == pytest.approx(symmetry(IMAGES, POINTS).offset, abs=0.3)


def test_the_figure_draws_both_axes() -> None:
    found = symmetry(IMAGES, POINTS + np.array([2, 0], np.float32))
    points, face = symmetry_figure(found).axes[0].lines
    assert np.ptp(np.asarray(points.get_xdata())) == np.ptp(np.asarray(face.get_xdata())) == 0
    assert np.asarray(points.get_xdata())[0] - np.asarray(face.get_xdata())[0] == pytest.approx(found.offset)
