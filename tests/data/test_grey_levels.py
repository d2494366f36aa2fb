"""The range of an image's values is told by its largest value, or the image is refused."""

import re

import numpy as np
import pytest

from faces.data.grey_levels import ZERO_OR_ONE, level_problem, levels_of

RAMP = np.linspace(0, 1, 70 * 20).reshape(70, 20)


REAL, WHOLE = ("f4", "f8"), ("<u2", ">u2", "i4")


@pytest.mark.parametrize(
    ("white", "dtype"),
    [*((white, dtype) for white in (1, 255, 65535) for dtype in REAL), *((255, dtype) for dtype in WHOLE)]
    + [(65535, dtype) for dtype in WHOLE],
)
def test_every_range_gives_the_nearest_levels(white: int, dtype: str) -> None:
    values = (RAMP * white).astype(dtype)
    np.testing.assert_array_equal(levels_of(values), np.rint(values.astype(float) / white * 255))


def test_a_known_white_is_used_and_the_brightest_pixel_need_not_be_white() -> None:
    np.testing.assert_array_equal(levels_of(np.array([[0, 1023, 4095]]), 4095), [[0, 64, 255]])
    np.testing.assert_array_equal(levels_of(np.array([[0.0, 0.2]])), [[0, 51]])
    np.testing.assert_array_equal(levels_of(np.array([[0, 30_000]])), [[0, 117]])


def test_black_is_black() -> None:
    for dtype in (np.uint16, np.float32):
        assert not levels_of(np.zeros((20, 20), dtype)).any()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0, 1], "has pixels up to 1, which does not tell whether white is 1 or 255"),
        ([0, 1023], "has pixels up to 1023, which does not tell whether white is 255 or 65535"),
        ([0, 4095], "has pixels up to 4095, which does not tell whether white is 255 or 65535"),
        ([0, 16383], "has pixels up to 16383, which does not tell"),
        ([0, 65536], "has pixels up to 65536, beyond 16 bits"),
        ([0, -1], "has negative pixels, down to -1"),
        ([0.0, 1.02], "has pixels up to 1.02, which does not tell whether white is 1 or 255"),
        ([0.0, 300.5], "has pixels up to 300.5, which does not tell whether white is 255 or 65535"),
        ([0.0, np.nan], "has pixels that are NaN or infinite"),
        ([0.0, np.inf], "has pixels that are NaN or infinite"),
        ([-np.inf, 1.0], "has pixels that are NaN or infinite"),
        ([-0.5, 0.5], "has negative pixels, down to -0.5"),
    ],
)
def test_any_other_range_is_refused_with_the_remedy(values: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason) + ".*; save it with 8 bits"):
        levels_of(np.array([values]))


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ([0, 0], "all pixels have the level 0: no face"),
        ([1, 1], "all pixels have the level 1: no face"),
        ([255, 255], "all pixels have the level 255: no face"),
        ([254, 255], "all pixels have the level 254 or 255: no face"),
        ([0, 1], ZERO_OR_ONE),
        ([0, 2], None),
        ([0, 255], None),
    ],
)
def test_an_image_of_one_level_has_no_face(levels: list[int], reason: str | None) -> None:
    assert level_problem(np.array(levels * 160, np.uint8).reshape(16, 20)) == reason
