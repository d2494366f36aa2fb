"""Pixel text becomes arrays or is refused, and the rules are shown the right few numbers of each row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.facts import FACTS, emotion_facts, keypoint_facts, numbers
from faces.labels import COORDINATES
from faces.pixels import as_image, parse_pixels, pixel_facts

UNDEFINED = {"numeric": False, "count": np.nan, "minimum": np.nan, "maximum": np.nan, "range": np.nan}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0 128 255", [0, 128, 255]),
        ("7", [7]),
        ("  1   2 ", [1, 2]),
        ("1\n2\t3\r\n4\n", [1, 2, 3, 4]),
        ("007 010", [7, 10]),
        ("-1 256 -0", [-1, 256, 0]),
        ("9" * 18, [10**18 - 1]),
    ],
)
def test_whole_numbers_are_read(text: str, values: list[int]) -> None:
    read = parse_pixels(text)
    assert read is not None
    assert read.dtype == np.int64
    assert read.tolist() == values


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\n", "1.5 2", "1e2", "1,2", "1 - 2", "--1", "+1", "0x1f", "a b", "1 2 x", "nan", "²", "9" * 19),
        pytest.param("1\u00a02", id="no-break space"),
        pytest.param("\u0661 2", id="Arabic digit"),
    ],
)
def test_what_is_no_row_of_whole_numbers_is_refused(text: str) -> None:
    assert parse_pixels(text) is None


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(10**18) + 1, 10**18 - 1), st.text(" \t\n\r", min_size=1, max_size=3)), min_size=1),
    st.text(" \n", max_size=2),
)
def test_any_whole_numbers_between_any_blanks_come_back(cells: list[tuple[int, str]], before: str) -> None:
    read = parse_pixels(before + "".join(f"{value}{blank}" for value, blank in cells))
    assert read is not None
    assert read.tolist() == [value for value, _ in cells]


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ([3, 250, 17], {"numeric": True, "count": 3, "minimum": 3, "maximum": 250, "range": 247}),
        ([9, 9], {"numeric": True, "count": 2, "minimum": 9, "maximum": 9, "range": 0}),
        ([-5, 300], {"numeric": True, "count": 2, "minimum": -5, "maximum": 300, "range": 305}),
        (None, UNDEFINED),
    ],
)
def test_pixel_facts(values: list[int] | None, facts: dict[str, float]) -> None:
    found = pixel_facts(None if values is None else np.array(values))
    assert found == pytest.approx(facts, nan_ok=True)
    assert isinstance(found["numeric"], bool)


def test_image_is_row_by_row() -> None:
    image = as_image(np.array([0, 1, 2, 255]), 2)
    assert image is not None
    assert image.dtype == np.uint8
    assert image.tolist() == [[0, 1], [2, 255]]


@pytest.mark.parametrize("values", [None, [0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 2, -1], [0, 1, 2, 256]], ids=str)
def test_no_image_where_count_or_range_forbid_it(values: list[int] | None) -> None:
    assert as_image(None if values is None else np.array(values), 2) is None


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *(("3", 3.0), (" 4.5 ", 4.5), ("-1", -1.0), ("1e3", 1000.0)),
        *((text, np.nan) for text in ("", " ", "x", "nan", "inf", "-inf", "1e400", "3 4", "1,5")),
    ],
)
def test_numbers(cell: str, value: float) -> None:
    read = numbers(pd.Series([cell], dtype=str))
    assert read.dtype == np.float64
    np.testing.assert_equal(read.to_numpy(), [value])


def test_emotion_facts_of_a_table_made_by_hand() -> None:
    raw = pd.DataFrame(
        {"row": [1, 2, 3, 4], "emotion": ["3", "", "sad", "2.5"], "pixels": ["1 5 9", "7 7 7", "1 a 3", "1 300"]},
        index=[10, 11, 12, 13],
    )
    expected = pd.DataFrame(
        {
            "row": [1, 2, 3, 4],
            "label": [3, np.nan, np.nan, 2.5],
            "pixels_numeric": [True, True, False, True],
            "pixels_count": [3, 3, np.nan, 2],
            "pixels_minimum": [1, 7, np.nan, 1],
            "pixels_maximum": [9, 7, np.nan, 300],
            "pixels_range": [8, 0, np.nan, 299],
        },
        index=raw.index,
    )
    pd.testing.assert_frame_equal(emotion_facts(raw), expected, check_dtype=False)


def raw_keypoints(*changes: dict[str, str]) -> pd.DataFrame:
    """A row for each change of a face whose coordinates are 20, 21, ... 49; its left eye stands at (60, 30)."""
    whole = {name: str(20 + position) for position, name in enumerate(COORDINATES)}
    whole |= {"left_eye_center_x": "60", "left_eye_center_y": "30", "Image": "0 10 20 30"}
    return pd.DataFrame([{"row": 1 + number, **whole, **change} for number, change in enumerate(changes)])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # The right eye's x is third of the coordinates, 22: 60 - 22 = 38. The least left of 20..49 is 22.
        ({}, (True, 30, 22, 60, 38)),
        ({"nose_tip_x": "", "nose_tip_y": " "}, (True, 28, 22, 60, 38)),
        ({"nose_tip_x": "nose"}, (False, 29, 22, 60, 38)),
        ({"nose_tip_x": "inf"}, (False, 29, 22, 60, 38)),
        ({"nose_tip_x": "-3.5", "nose_tip_y": "96.5"}, (True, 30, -3.5, 96.5, 38)),
        ({"left_eye_center_x": ""}, (True, 29, 22, 49, np.nan)),
        ({"right_eye_center_x": "?"}, (False, 29, 23, 60, np.nan)),
        ({"left_eye_center_x": "21", "right_eye_center_x": "62"}, (True, 30, 21, 62, -41)),
        (dict.fromkeys(COORDINATES, ""), (True, 0, np.nan, np.nan, np.nan)),
    ],
)
def test_keypoint_facts_of_a_row_made_by_hand(change: dict[str, str], expected: tuple[float, ...]) -> None:
    names = ["points_numeric", "points_labelled", "points_least", "points_greatest", "points_eyes"]
    facts = keypoint_facts(raw_keypoints({}, change))
    np.testing.assert_equal(facts[names].to_numpy(float)[1], np.array(expected, float))
    assert facts["row"].tolist() == [1, 2]
    assert facts["points_numeric"].dtype == bool


def test_keypoint_facts_look_at_the_image_too() -> None:
    facts = keypoint_facts(raw_keypoints({}, {"Image": "1.5 2"}))
    assert facts["pixels_numeric"].tolist() == [True, False]
    np.testing.assert_equal(facts["pixels_count"].to_numpy(float), [4, np.nan])
    np.testing.assert_equal(facts["pixels_range"].to_numpy(float), [30, np.nan])


def test_both_heads_have_facts() -> None:
    assert list(FACTS) == ["keypoints", "emotion"]
    assert FACTS["keypoints"] is keypoint_facts
    assert FACTS["emotion"] is emotion_facts
