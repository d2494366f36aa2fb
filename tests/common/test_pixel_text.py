"""Pixel texts are parsed or refused, and row checks have the right values."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.common import pixel_text
from faces.common.pixel_text import decode_images, decode_squares, parse_pixels, pixel_checks, text_problem
from faces.common.schema import COORDINATES, LABEL_ENCODINGS, SYNONYMS, class_name, unknown_class, usage_name
from faces.data.row_checks import emotion_row_checks, keypoint_row_checks, numbers, repeated_columns

STATISTICS = ["count", "minimum", "maximum", "deviation"]


def parsed(*texts: str) -> list[list[int] | None]:
    """The integers of each text, None if it is refused."""
    values, counts = parse_pixels(texts)
    assert values.dtype == counts.dtype == np.int64
    ends = np.cumsum(np.maximum(counts, 0)).tolist()
    assert len(values) == (ends[-1] if ends else 0)
    each = [values[end - max(count, 0) : end].tolist() for end, count in zip(ends, counts.tolist(), strict=True)]
    return [row if count > 0 else None for row, count in zip(each, counts.tolist(), strict=True)]


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
        ("0" * 30 + "7 -000", [7, 0]),
        *(
            (text, [70, 80])
            for text in ("70,80", "[70, 80]", "[ 70.  80.]", "70;80", "70.0 80.0", "7e1 8.0e+01", "70,80,")
        ),
        *(
            (text, [1, 2, 3, 4])
            for text in (
                "[[1 2 3 4]]",
                "[1 2] [3 4]",
                "[[1 2 ] [ 3,4.\n]]",
                "[[1 2]\n [3 4]]",
                "[[1, 2], [3, 4]]",
                "[[1,2],[3,4]]",
            )
        ),
    ],
)
def test_integers_are_parsed(text: str, values: list[int]) -> None:
    assert parsed(text) == [values]
    assert parsed("1 2", text, "x", "3") == [[1, 2], values, None, [3]]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "\n",
            "1.5 2",
            "1e-2",
            "1,,2",
            ",1",
            "[1 2",
            "[1 [2]]",
            "[[[1]]]",
            "[1 ... 2]",
            "1 - 2",
            "--1",
            "+1",
            "0x1f",
            "a b",
            "1 2 x",
            "nan",
            "²",
            "1\x002",
        ),
        *("1" + "0" * 18, "9" * 19, "-" + "9" * 40, "00" + "9" * 19, "1\f2", "1\v2", "1 2\0"),
        pytest.param("1\u00a02", id="no-break space"),
        pytest.param("1 2\u00a0", id="no-break space at the end"),
        pytest.param("\u0661 2", id="Arabic digit"),
        pytest.param("1 \ud800", id="half a character"),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    assert parsed(text) == [None]
    # Alone, or together with texts that one call can parse.
    assert parsed("1 2", text, "3") == [[1, 2], None, [3]]


def test_no_texts() -> None:
    assert parsed() == []
    assert len(pixel_checks([])) == 0
    images, usable = decode_images([], 2)
    assert images.shape == (0, 2, 2)
    assert usable.shape == (0,)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(10**18) + 1, 10**18 - 1), st.text(" \t\n\r", min_size=1, max_size=3)), min_size=1),
    st.text(" \n", max_size=2),
)
def test_any_integers_between_any_blanks_are_parsed(cells: list[tuple[int, str]], before: str) -> None:
    text = before + "".join(f"{value}{blank}" for value, blank in cells)
    assert parsed(text) == [[value for value, _ in cells]]


WORDS = st.one_of(
    st.integers(0, 255).map(str),
    st.integers(-5, 300).map(str),
    st.integers(10**17, 10**20).map(str),
    st.from_regex(r"[-+]?0{0,20}[0-9]{1,3}", fullmatch=True),
    st.sampled_from(["", "x", "1.0", "1,2", "-", "²", "\u00a0", "\0", "\u0661", "1e2"]),
)
PLAIN_TEXTS = st.lists(st.integers(0, 999).map(str), min_size=1, max_size=5).map(" ".join)
ODD_TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "  ", "\t", "\n", "\r\n", ""])), max_size=5).map(
    lambda words: "".join(word + blank for word, blank in words)
)
NUMBER = re.compile(r"-?[0-9]+", re.ASCII)
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[0-9]+)?", re.ASCII)


def parsed_by_python(text: str) -> list[int] | None:
    """The integers of a text in plain Python: four ASCII blanks, at most 18 digits per integer.

    Of the words above, only "1,2" has a comma, 1.0 a point and 1e2 an exponent. Among such, integers have 15 digits.
    """
    words = [word for word in re.split(r"[ \t\r\n]+", text) if word]
    if words and all(NUMBER.fullmatch(word) and abs(int(word)) < 10**18 for word in words):
        return [int(word) for word in words]
    words = [part for word in words for part in word.split(",")]
    if not words or not all(DECIMAL.fullmatch(word) and abs(float(word)) < 2**53 for word in words):
        return None
    if any(float(word) % 1 for word in words):
        return None
    return [int(float(word)) for word in words]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(PLAIN_TEXTS, ODD_TEXTS), max_size=6))
def test_joint_and_separate_parsing_agree_with_python(texts: list[str]) -> None:
    expected = [parsed_by_python(text) for text in texts]
    assert parsed(*texts) == expected
    assert [parsed(text)[0] for text in texts] == expected
    values, counts = pixel_text._parse_each([text.strip(pixel_text.BLANKS) for text in texts])
    np.testing.assert_array_equal(values, parse_pixels(texts)[0])
    np.testing.assert_array_equal(counts, parse_pixels(texts)[1])


@settings(deadline=None)
@given(st.lists(st.one_of(PLAIN_TEXTS, ODD_TEXTS), max_size=6))
def test_pixel_checks_and_images_agree_with_python(texts: list[str]) -> None:
    expected = [parsed_by_python(text) for text in texts]
    checks = pixel_checks(texts)
    assert checks["numeric"].tolist() == [values is not None for values in expected]
    by_python = [
        [len(values), min(values), max(values), np.std(np.array(values, float))] if values else [np.nan] * 4
        for values in expected
    ]
    found = checks[STATISTICS].to_numpy(float)
    np.testing.assert_allclose(found, np.array(by_python).reshape(-1, 4), rtol=1e-6, atol=1e-3 + 1e-7 * scale(found))
    images, usable = decode_images(texts, 2)
    good = [values for values in expected if values and len(values) == 4 and min(values) >= 0 and max(values) <= 255]
    assert images.reshape(-1, 4).tolist() == good
    assert usable.tolist() == [values in good for values in expected]


def scale(found: np.ndarray) -> float:
    """The largest absolute value; the standard deviation of 18-digit integers is exact to about 9 digits."""
    return float(np.nanmax(np.abs(found), initial=0, where=~np.isnan(found)))


def test_one_call_parses_the_common_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pixel_text, "_parse_each")
    assert parsed("0 128 255", " 7\n", "007 1000") == [[0, 128, 255], [7], [7, 1000]]
    with pytest.raises(NameError):
        parsed("0 128 255", "7  8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 250 17", [3, 3, 250, np.std([3, 250, 17])]),
        ("9 9", [2, 9, 9, 0]),
        ("-5 301", [2, -5, 301, 153]),
        ("1 3", [2, 1, 3, 1]),
        ("7", [1, 7, 7, 0]),
        ("1.5", [np.nan] * 4),
        ("", [np.nan] * 4),
    ],
)
def test_pixel_checks(text: str, expected: list[float]) -> None:
    found = pixel_checks(["8 10 12", text, "4 4 6"])
    assert found["numeric"].dtype == bool
    assert found["numeric"].tolist() == [True, not np.isnan(expected[0]), True]
    np.testing.assert_allclose(found[STATISTICS].to_numpy(float)[1], expected)
    np.testing.assert_allclose(
        found[STATISTICS].to_numpy(float)[[0, 2]], [[3, 8, 12, 1.63299316], [3, 4, 6, 0.94280904]]
    )


@pytest.mark.parametrize("level", [0, 1, 85, 127, 254, 255])
@pytest.mark.parametrize("side", pixel_text.SIZES.values())
def test_the_standard_deviation_of_a_constant_image_is_exactly_0(level: int, side: int) -> None:
    assert pixel_checks([" ".join([str(level)] * side * side)])["deviation"].tolist() == [0]


def test_images_are_row_major() -> None:
    images, usable = decode_images(["0 1 2 255", "9 8 7 6"], 2)
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1], [2, 255]], [[9, 8], [7, 6]]]
    assert usable.tolist() == [True, True]


@pytest.mark.parametrize("text", ["", "x", "0 1 2", "0 1 2 3 4", "0 1 2 -1", "0 1 2 256", "0 1 2 " + "9" * 30])
def test_texts_of_wrong_count_or_range_give_no_image(text: str) -> None:
    images, usable = decode_images(["1 1 1 1", text, "2 2 2 2"], 2)
    assert usable.tolist() == [True, False, True]
    assert images[:, 0, 0].tolist() == [1, 2]
    assert decode_images([text], 2)[0].shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *(("3", 3.0), (" 4.5 ", 4.5), ("-1", -1.0), ("1e3", 1000.0)),
        *((text, np.nan) for text in ("", " ", "x", "nan", "inf", "-inf", "1e400", "3 4", "1,5", "0x10", "1_0", "3\0")),
    ],
)
def test_numbers(cell: str, value: float) -> None:
    read = numbers(pd.Series([cell], dtype=str))
    assert read.dtype == np.float64
    np.testing.assert_equal(read.to_numpy(), [value])


@pytest.mark.parametrize(
    ("text", "course", "fer2013"),
    [
        ("0", "anger", "anger"),
        ("2", "sad", "fear"),
        (" 4.0 ", "surprise", "sad"),
        ("04", "surprise", "sad"),
        ("6", None, "neutral"),
        ("7", None, None),
        *((text, None, None) for text in ("", "1.5", "-1", "1e0", "contempt", "2 2", "\u0662", "9" * 10, "0\0")),
        # Names of the other encoding are accepted; the row checks mark those rows.
        *((text, "happiness", "happiness") for text in ("happy", "Happiness", " HAPPY ")),
        *((text, "fear", "fear") for text in ("fearful", "Afraid", "scared")),
        *((text, "happiness", "happiness") for text in ("joy", "Joyful")),
    ],
)
def test_class_name_of_a_label(text: str, course: str | None, fer2013: str | None) -> None:
    assert (class_name(text, "course"), class_name(text, "fer2013")) == (course, fer2013)


def test_synonyms_map_to_classes_and_are_no_classes() -> None:
    names = set().union(*LABEL_ENCODINGS.values())
    assert set(SYNONYMS.values()) <= names
    assert not set(SYNONYMS) & names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((" Contempt ", "contempt"), ("calm", "calm"), ("x" * 90, "x" * 40), ("class 9", "class 9")),
        *((text, None) for text in ("", "9", "-1", "1.5", "?", "happy", "Fear", "neutral")),
    ],
)
def test_only_a_word_is_an_unknown_class(text: str, name: str | None) -> None:
    assert unknown_class(text) == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" ", "empty"),
        ("1 2 ... 3 4", "shortened by '...', write all values"),
        ("0.27 0 1", "fractions up to 1, such as 0.27, multiply by 255 and round"),
        ("70.5 80", "70.5 is not an integer of 0..255"),
        ("1 2 face.png 3", "'face.png' is not a number"),
        ("1,,2", "irregular brackets or commas"),
        ("[[1 2 3]\n [4 5 6]]", "3x2 pixels: not square"),
        ("[[1, 2], [3, 4], [5, 6], [7, 8]]", "2x4 pixels: not square"),
        *((text, "3x2 pixels: not square") for text in ("[1 2 3] [4 5 6]", "1 2 3] [4 5 6")),
        ("[[1 2 3]\n [4]]", "rows of 1 to 3 pixels: all must be as long"),
        ("[[1.5 2.5 3]\n [4 5 6]]", "3x2 pixels: not square"),
        ("1 2\x00 3", "'2\\x00' is not a number"),
        ("9" * 30, "1e+30 is not an integer of 0..255"),
    ],
)
def test_a_refused_text_says_what_it_holds(text: str, problem: str) -> None:
    assert parsed(text) == [None]
    assert text_problem(text) == problem


def test_squares_of_any_size_are_decoded_and_others_say_why_not() -> None:
    def text(count: int, value: object = 7) -> str:
        return " ".join([str(value), *["9"] * (count - 1)])

    texts = [text(256), text(2304), text(2300), text(225), text(256, 256), text(256, -1), "0 1 " * 128, "0 " * 256, ""]
    images = decode_squares([*texts, text(256, 0.5)])
    assert [image if isinstance(image, str) else image.shape for image in images] == [
        *((16, 16), (48, 48), "2,300 values are not the pixels of a square, such as 48x48 = 2,304"),
        *(
            "15x15 pixels: too small for a face",
            "a pixel of 256: pixels are 0..255",
            "a pixel of -1: pixels are 0..255",
        ),
        *("all pixels are 0 or 1: multiply them by 255", (16, 16), "no pixels: empty"),
        "no pixels: 0.5 is not an integer of 0..255",
    ]
    first = images[0]
    assert isinstance(first, np.ndarray)
    assert (first.dtype, first.ravel().tolist()) == (np.uint8, [7] + [9] * 255)


def test_a_cell_that_a_spreadsheet_cut_is_named() -> None:
    cut = ("128 " * 9216)[:32_767]
    (reason,) = decode_squares([cut])
    assert str(reason).endswith(", cut at 32,767 characters as spreadsheets do")
    checks = keypoint_row_checks(raw_keypoints({"Image": cut}))
    assert checks["pixels_found"].tolist() == ["8,192 values, cut at 32,767 characters as spreadsheets do"]


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        *((text, "Training") for text in ("train", "Training", " TRAIN ")),
        *((text, "PublicTest") for text in ("val", "Validation", "valid", "dev", "public test", "PublicTest")),
        *((text, "PrivateTest") for text in ("test", "testing", "private_test")),
        *((text, None) for text in ("", "holdout", "train2")),
    ],
)
def test_usage_has_other_words(text: str, usage: str | None) -> None:
    assert usage_name(text) == usage


def test_emotion_row_checks_worked_by_hand() -> None:
    raw = pd.DataFrame(
        {
            "row": [1, 2, 3, 4, 5],
            "emotion": ["3", "", "Sadness", "5", "fear"],
            "pixels": ["1 5 9", "7 7 7", "1 a 3", "1 300", ""],
            "Usage": ["Training", " valid ", "", " x", "Training"],
            "unreadable": ["", "", "", " ", "is empty"],
        },
        index=[10, 11, 12, 13, 14],
    )
    expected = pd.DataFrame(
        {
            "row": [1, 2, 3, 4, 5],
            "label": pd.Series(["happiness", None, "sad", None, None], dtype=object, index=range(10, 15)),
            "label_foreign": [False, False, False, True, True],
            "label_unknown": None,
            "label_valid": [True, False, True, False, False],
            "is_anger": 0.0,
            "is_disgust": 0.0,
            "is_sad": [0.0, 0.0, 1.0, 0.0, 0.0],
            "is_happiness": [1.0, 0.0, 0.0, 0.0, 0.0],
            "is_surprise": 0.0,
            "usage": ["Training", "PublicTest", "", "x", "Training"],
            "pixels_numeric": [True, True, False, True, None],
            "pixels_count": [3, 3, np.nan, 2, np.nan],
            "pixels_side": [0, 0, np.nan, 0, np.nan],
            "pixels_minimum": [1, 7, np.nan, 1, np.nan],
            "pixels_maximum": [9, 7, np.nan, 300, np.nan],
            "pixels_deviation": [np.std([1, 5, 9]), 0, np.nan, 149.5, np.nan],
            "pixels_found": ["3 values", "3 values", "'a' is not a number", "2 values", "empty"],
            "unreadable": pd.Series([None] * 4 + ["is empty"], dtype=object, index=range(10, 15)),
        },
        index=raw.index,
    )
    pd.testing.assert_frame_equal(emotion_row_checks(raw, "course"), expected, check_dtype=False)
    unknown = emotion_row_checks(raw.assign(emotion="Contempt"), "course")
    assert unknown["label_unknown"].tolist() == ["contempt"] * 5
    assert unknown["label_valid"].all()
    assert not unknown["label_foreign"].any()
    fer2013 = emotion_row_checks(raw.drop(columns="Usage"), "fer2013")
    assert fer2013["label"].tolist() == ["happiness", None, "sad", "surprise", "fear"]
    assert not fer2013["label_foreign"].any()
    assert fer2013["usage"].isna().all()


def raw_keypoints(*changes: dict[str, str]) -> pd.DataFrame:
    """One row per change to a face with coordinates 20, 21, ... 49 and the left eye at (60, 30)."""
    complete = {name: str(20 + position) for position, name in enumerate(COORDINATES)}
    complete |= {"left_eye_center_x": "60", "left_eye_center_y": "30", "Image": "0 10 20 30"}
    return pd.DataFrame([{"row": 1 + number, **complete, **change} for number, change in enumerate(changes)])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # The right eye is the second keypoint, at (22, 23): 60 - 22 = 38, and 30 - 23 = 7. The minimum is 22.
        ({}, (True, True, 15, 22, 60, 38, np.hypot(38, 7))),
        ({"nose_tip_x": "", "nose_tip_y": " "}, (True, True, 14, 22, 60, 38, np.hypot(38, 7))),
        ({"nose_tip_x": ""}, (True, False, 15, 22, 60, 38, np.hypot(38, 7))),
        ({"nose_tip_x": "nose"}, (False, True, 15, 22, 60, 38, np.hypot(38, 7))),
        ({"nose_tip_x": "inf", "nose_tip_y": ""}, (False, False, 14, 22, 60, 38, np.hypot(38, 7))),
        ({"nose_tip_x": "-3.5", "nose_tip_y": "96.5"}, (True, True, 15, -3.5, 96.5, 38, np.hypot(38, 7))),
        ({"left_eye_center_x": ""}, (True, False, 15, 22, 49, np.nan, np.nan)),
        ({"left_eye_center_y": ""}, (True, False, 15, 22, 60, 38, np.nan)),
        ({"right_eye_center_x": "?"}, (False, True, 15, 23, 60, np.nan, np.nan)),
        ({"left_eye_center_x": "21", "right_eye_center_x": "62"}, (True, True, 15, 21, 62, -41, np.hypot(41, 7))),
        (dict.fromkeys(COORDINATES, ""), (True, True, 0, np.nan, np.nan, np.nan, np.nan)),
    ],
)
def test_keypoint_row_checks_worked_by_hand(change: dict[str, str], expected: tuple[float, ...]) -> None:
    names = ["numeric", "paired", "labelled", "least", "greatest", "eyes", "eye_distance"]
    checks = keypoint_row_checks(raw_keypoints({}, change))
    assert checks["points_at_origin"].tolist() == [0, 0]
    found = checks[[f"points_{name}" for name in names]].to_numpy(float)[1]
    np.testing.assert_allclose(found, np.array(expected, float))
    assert checks["row"].tolist() == [1, 2]
    assert checks["points_numeric"].dtype == checks["points_paired"].dtype == bool


def test_a_point_at_the_origin_is_unlabelled_and_the_extent_is_that_of_the_others() -> None:
    at_origin = {"nose_tip_x": "0", "nose_tip_y": "0.0", "mouth_left_corner_x": "0", "mouth_left_corner_y": "9"}
    same = {name: "30" if name.endswith("x") else "40" for name in COORDINATES}
    one = dict.fromkeys(COORDINATES, "") | {"nose_tip_x": "30", "nose_tip_y": "40"}
    checks = keypoint_row_checks(raw_keypoints({}, at_origin, same, same | {"nose_tip_x": "31"}, one))
    assert checks["points_at_origin"].tolist() == [0, 1, 0, 0, 0]
    assert checks["points_labelled"].tolist() == [15, 14, 15, 15, 1]
    assert checks["points_numeric"].all()
    np.testing.assert_equal(checks["nose_tip_x"].to_numpy(), [40, np.nan, 30, 31, 30])
    assert checks["mouth_left_corner_x"].tolist()[1] == 0
    # From x of 20 or 22 to 60 and from y of 23 to 49, then from y of 9.
    np.testing.assert_equal(checks["points_extent"].to_numpy(), [38, 60, 0, 1, np.nan])


def test_a_value_that_most_rows_of_a_column_share_is_named() -> None:
    rows = [{"nose_tip_x": "50" if row < 6 else str(row), "nose_tip_y": str(row)} for row in range(12)]
    table = raw_keypoints(
        *({name: f"{30 + row}.{k}" for k, name in enumerate(COORDINATES)} | rows[row] for row in range(12))
    )
    assert repeated_columns(keypoint_row_checks(table)).isna().all()
    table.loc[6, "nose_tip_x"] = "50"
    repeated = repeated_columns(keypoint_row_checks(table))
    assert repeated.tolist() == ["nose_tip_x is 50 in 58%"] * 7 + [None] * 5
    # Of nine labelled rows nothing is concluded.
    table.loc[9:, ["nose_tip_x", "nose_tip_y"]] = ""
    assert repeated_columns(keypoint_row_checks(table)).isna().all()


def test_keypoint_row_checks_include_coordinates_and_pixels() -> None:
    checks = keypoint_row_checks(raw_keypoints({}, {"Image": "1.5 2", "nose_tip_x": "x"}))
    assert checks["left_eye_center_x"].tolist() == [60, 60]
    np.testing.assert_equal(checks["nose_tip_x"].to_numpy(), [40, np.nan])
    assert checks["pixels_numeric"].tolist() == [True, False]
    np.testing.assert_equal(checks["pixels_count"].to_numpy(float), [4, np.nan])
    np.testing.assert_allclose(checks["pixels_deviation"].to_numpy(float), [np.sqrt(125), np.nan])


@pytest.mark.parametrize("between", ["]\n [", "], ["])
def test_nested_rows_whose_pixels_happen_to_fill_a_square_are_refused(between: str) -> None:
    rows = between.join(" ".join(["7"] * 63 + ["9"]) for _ in range(36))  # 36 * 64 = 48 * 48
    assert parsed(f"[[{rows}]]") == [None]
    assert decode_squares([f"[[{rows}]]"]) == ["no pixels: 64x36 pixels: not square"]
