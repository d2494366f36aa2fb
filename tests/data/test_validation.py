"""Valid rows are decoded, invalid rows are quarantined with all reasons; the settings are exact bounds."""

import csv
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.common import pixel_text
from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, LABEL_ENCODINGS
from faces.synthetic.tables import emotion_table, keypoints_table, planted
from params import Validate
from tasks.common.csv_escaping import protect
from tasks.common.files import InputError
from tasks.data import expectations
from tasks.data.suite_run import run_suite
from tasks.data.validation import quarantine_rows, report_validation, validate_table
from tasks.data.validation_report import reasons_by_row
from tasks.readers import raw_csv
from tasks.readers.raw_csv import read_raw
from tests.readers.test_layouts import COURSE, emotion_rows, keypoint_rows, rules

ROWS = 120
SAMPLES = {"keypoints": keypoints_table(3, ROWS), "emotion": emotion_table(3, ROWS)}


def validated(model_name: str, raw: Path, config: Validate) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The valid and the quarantined rows of a raw table; the files lie beside it."""
    results = validate_table(model_name, raw, config, raw.with_name(f"{model_name}.json"), raw.with_name("docs"))
    valid = quarantine_rows(
        model_name,
        raw,
        results,
        config,
        raw.with_name(f"{model_name}.parquet"),
        raw.with_name(f"{model_name}-aside.csv"),
    )
    return pd.read_parquet(valid), read_quarantine(model_name, raw)


def read_quarantine(model_name: str, raw: Path) -> pd.DataFrame:
    return pd.read_csv(raw.with_name(f"{model_name}-aside.csv"), dtype=str, keep_default_na=False)


def changed(config: Validate, **changes: object) -> Validate:
    """Changed settings, `emotion__min_rows=3` for emotion.min_rows."""
    content = config.model_dump()
    for name, value in changes.items():
        *section, key = name.split("__")
        (content[section[0]] if section else content)[key] = value
    return Validate.model_validate(content)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    def to_csv(table: pd.DataFrame) -> Path:
        table.to_csv(tmp_path / "raw.csv", index=False)
        return tmp_path / "raw.csv"

    return to_csv


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with the validated tables of the embedded sample."""
    folders = {}
    for model_name, table in SAMPLES.items():
        folders[model_name] = tmp_path_factory.mktemp(model_name)
        table.to_csv(folders[model_name] / "raw.csv", index=False)
        validated(model_name, folders[model_name] / "raw.csv", rules())
    return folders


@pytest.mark.parametrize("model_name", SAMPLES)
def test_planted_defects_are_quarantined_and_counts_add_up(model_name: str, samples: dict[str, Path]) -> None:
    valid, quarantined = (
        pd.read_parquet(samples[model_name] / f"{model_name}.parquet"),
        read_quarantine(model_name, samples[model_name] / "raw.csv"),
    )
    counts = planted(ROWS, model_name)
    assert sorted([*valid["row"], *quarantined["row"].astype(int)]) == list(range(1, ROWS + 1))
    reasons = quarantined["reasons"].str.cat(sep="|")
    assert reasons.count(" values)") == counts["short"]
    assert reasons.count("a value over 255") == counts["over_range"]
    assert reasons.count("nearly constant image") == counts["constant"]
    if model_name == "emotion":
        assert reasons.count("not a label of course (0..4, or a class name)") == counts["unknown_label"]
    else:
        assert reasons.count("no keypoint is labelled") == counts["all_missing"]
        assert valid[list(COORDINATES)].isna().any(axis=1).sum() == counts["some_missing"]


@pytest.mark.parametrize("model_name", SAMPLES)
def test_valid_and_quarantined_rows_equal_the_raw_rows(model_name: str, samples: dict[str, Path]) -> None:
    raw = pd.read_csv(samples[model_name] / "raw.csv", dtype=str, keep_default_na=False)
    valid, quarantined = (
        pd.read_parquet(samples[model_name] / f"{model_name}.parquet"),
        read_quarantine(model_name, samples[model_name] / "raw.csv"),
    )
    original = raw.iloc[quarantined["row"].astype(int) - 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(quarantined[raw.columns], original)
    original = raw.iloc[valid["row"] - 1]
    assert [" ".join(map(str, pixels)) for pixels in valid["pixels"]] == original[raw_csv.PIXELS[model_name]].tolist()
    if model_name == "emotion":
        assert valid["emotion"].tolist() == [COURSE[int(code)] for code in original["emotion"]]
    else:
        points = original[list(COORDINATES)].replace("", "nan").to_numpy(float)
        np.testing.assert_array_equal(valid[list(COORDINATES)].to_numpy(), points.astype(np.float32))


def test_the_summary_counts_rows_reasons_and_classes(samples: dict[str, Path], tmp_path: Path) -> None:
    results = {model_name: folder / f"{model_name}.json" for model_name, folder in samples.items()}
    valid = {model_name: folder / f"{model_name}.parquet" for model_name, folder in samples.items()}
    summary = json.loads(report_validation(results, valid, tmp_path / "summary.json").read_text())
    for model_name in SAMPLES:
        quarantined = read_quarantine(model_name, samples[model_name] / "raw.csv")
        assert summary[model_name]["raw"] == ROWS == summary[model_name]["valid"] + summary[model_name]["quarantined"]
        assert summary[model_name]["quarantined"] == len(quarantined)
        assert sum(summary[model_name]["reasons"].values()) >= len(quarantined)
        for reason, count in summary[model_name]["reasons"].items():
            assert quarantined["reasons"].str.contains(reason, regex=False).sum() == count
    counts = pd.read_parquet(valid["emotion"])["emotion"].value_counts()
    assert summary["emotion"]["classes"] == counts.to_dict()


def test_data_docs_are_written(samples: dict[str, Path]) -> None:
    for model_name, folder in samples.items():
        assert model_name in (folder / "docs" / "index.html").read_text()


def test_unused_columns_are_kept_in_the_quarantine(tmp_path: Path) -> None:
    table = SAMPLES["emotion"].iloc[:60].astype(str).assign(source="album", row="mine", reasons="none")
    table.loc[7, "pixels"] = "1 2 3"
    table.to_csv(tmp_path / "raw.csv")
    valid, quarantined = validated("emotion", tmp_path / "raw.csv", rules())
    (invalid,) = quarantined[quarantined["row"] == "8"].to_dict("records")
    assert (invalid["source"], invalid["row.5"], invalid["unnamed.1"]) == ("album", "mine", "7")
    assert list(valid.columns) == ["row", "pixels", "emotion"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("row,reasons,emotion,pixels", ["row.1", "reasons.2", "emotion", "pixels"]),
        ("row,row.1,emotion,pixels", ["row.1.1", "row.1", "emotion", "pixels"]),
        ("row.2,row,emotion,pixels", ["row.2", "row.2.2", "emotion", "pixels"]),
        ("emotion,a,a, a.2,pixels,,", ["emotion", "a.2.2", "a.3", "a.2", "pixels", "unnamed.6", "unnamed.7"]),
    ],
)
def test_every_column_has_a_unique_name(tmp_path: Path, header: str, names: list[str]) -> None:
    (tmp_path / "raw.csv").write_text(f"{header}\n{',' * header.count(',')}\n")
    (chunk,) = read_raw(tmp_path / "raw.csv", "emotion")
    assert list(chunk.columns) == ["row", *names]


def test_corrected_rows_can_be_ingested_repeatedly(tmp_path: Path) -> None:
    """A quarantine is a raw table: its columns `row` and `reasons` are kept beside the columns that are read."""
    clean = emotion_rows(COURSE, 40, seed=2)
    broken = clean.copy()
    broken.loc[10:29, "pixels"] = "1 2 3"
    raw = tmp_path / "raw.csv"
    broken.to_csv(raw, index=False)
    strict = changed(rules(max_invalid_fraction=0.1), emotion__class_fraction=(0, 1))
    expected = list(range(11, 31))
    for num_broken in (14, 8):  # rows of the quarantine that stay broken
        with pytest.raises(InputError, match=r"validate.max_invalid_fraction allows 10.0%") as caught:
            validated("emotion", raw, strict)
        quarantined = read_quarantine("emotion", raw)
        assert str(raw.with_name("emotion-aside.csv")) in str(caught.value)
        assert len(quarantined) == len(expected)
        assert not raw.with_name("emotion.parquet").exists()
        # As a user would: correct rows in place and save the file elsewhere.
        corrected = [row for row in range(len(quarantined)) if row >= num_broken]
        origin = [expected[row] - 1 for row in corrected]
        quarantined.loc[corrected, "pixels"] = clean["pixels"].iloc[origin].tolist()
        raw = tmp_path / f"again-{num_broken}" / "raw.csv"
        raw.parent.mkdir()
        quarantined.to_csv(raw, index=False)
        expected = expected[:num_broken]
    valid, quarantined = validated("emotion", raw, changed(strict, max_invalid_fraction=1, emotion__min_rows=1))
    assert quarantined["row.1.1"].tolist() == [str(row) for row in range(1, 9)]
    assert quarantined["row.1"].tolist() == [str(row) for row in expected]
    assert valid["emotion"].tolist() == [COURSE[row % 5] for row in range(18, 24)]


def test_a_blank_line_is_an_invalid_row_and_keeps_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    lines = SAMPLES["emotion"].iloc[:40].to_csv(index=False).splitlines(keepends=True)
    path.write_text("".join([*lines[:5], "\n", *lines[5:10], lines[10].split(",")[0] + ",7 7\n", *lines[11:]]))
    valid, quarantined = validated("emotion", path, rules())
    assert {"5", "11"} <= set(quarantined["row"])
    assert len(valid) + len(quarantined) == 41


def test_an_expectation_that_cannot_be_evaluated_does_not_pass(tmp_path: Path) -> None:
    expectation = gxe.ExpectColumnValuesToBeBetween(column="x", min_value=0, severity="warning", meta={"reason": "x"})
    checks = pd.DataFrame({"row": [1, 2], "x": [1, "two"]})
    with pytest.raises(RuntimeError, match="could not evaluate"):
        run_suite("mixed", [expectation], checks, tmp_path)


def test_reasons_by_row_are_unique_and_exclude_table_expectations() -> None:
    results = [
        {"severity": "warning", "reason": "a", "rows": [7, 2]},
        {"severity": "warning", "reason": "b", "rows": [2]},
        {"severity": "warning", "reason": "a", "rows": [2]},
        {"severity": "critical", "reason": "c", "rows": [2, 9]},
    ]
    assert reasons_by_row(results) == {2: ["a", "b"], 7: ["a"]}


def test_a_table_changed_after_validation_is_an_error(write: Callable[..., Path]) -> None:
    raw = write(emotion_rows(COURSE, 20))
    results = validate_table("emotion", raw, rules(), raw.with_name("f.json"), raw.with_name("docs"))
    write(emotion_rows(COURSE, 19))
    with pytest.raises(AssertionError, match="20 raw rows, but 19 valid and 0 quarantined"):
        quarantine_rows("emotion", raw, results, rules(), raw.with_name("v.parquet"), raw.with_name("q.csv"))
    assert not raw.with_name("v.parquet").exists()


def two_levels(low: int, high: int, pixels: int) -> str:
    """Half of the pixels at each grey level: the standard deviation is half the difference."""
    return " ".join([str(low)] * (pixels // 2) + [str(high)] * (pixels // 2))


def test_bounds_are_inclusive(write: Callable[..., Path]) -> None:
    table = keypoint_rows(30)
    eyes = ["left_eye_center_x", "left_eye_center_y", "right_eye_center_x", "right_eye_center_y"]
    table.loc[0, eyes] = ["50", "40", "40", "40"]
    table.loc[1, eyes] = ["49.99", "40", "40", "40"]
    table.loc[2, eyes] = ["90", "40", "10", "40"]
    table.loc[3, eyes] = ["90", "40", "10", "41"]
    table.loc[4, ["nose_tip_x", "nose_tip_y"]] = ["0", "96"]
    table.loc[10, eyes] = ["40", "50", "40", "30"]
    table.loc[5, ["nose_tip_x", "nose_tip_y"]] = ["-0.01", "96.01"]
    table.loc[6, "Image"] = two_levels(100, 104, 9216)
    table.loc[7, "Image"] = two_levels(100, 103, 9216)
    table.loc[8, "Image"] = two_levels(0, 255, 9216)
    table.loc[9, "Image"] = two_levels(-1, 256, 9216)
    # One in five is labelled, the minimum that `max_missing_fraction` allows.
    table.loc[6:, ["mouth_left_corner_x", "mouth_left_corner_y"]] = ""
    _, quarantined = validated("keypoints", write(table), rules())
    assert quarantined["row"].tolist() == ["2", "4", "6", "8", "10", "11"]
    assert [reasons.count(";") for reasons in quarantined["reasons"]] == [0, 0, 1, 0, 1, 0]
    table.loc[5, ["mouth_left_corner_x", "mouth_left_corner_y"]] = ""
    with pytest.raises(InputError, match="mouth_left_corner is missing in more than 80% of the rows") as caught:
        validated("keypoints", write(table), rules())
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(("model_name", "pixels"), [("emotion", 2304), ("emotion", 4096), ("keypoints", 9216)])
def test_pixels_of_0_and_1_are_invalid_whatever_deviation_is_allowed(
    model_name: str, pixels: int, write: Callable[..., Path]
) -> None:
    table = emotion_rows(COURSE, 20) if model_name == "emotion" else keypoint_rows(20)
    column = raw_csv.PIXELS[model_name]
    texts = [two_levels(0, 1, pixels), two_levels(1, 1, pixels), two_levels(0, 0, pixels)]
    table.loc[5:7, column] = texts
    config = changed(rules(), **{f"{model_name}__min_pixel_std": 0})
    valid, quarantined = validated(model_name, write(table), config)
    reason = f"{column}: all pixels are 0 or 1: multiply them by 255"
    assert dict(zip(quarantined["row"], quarantined["reasons"], strict=True)) == {"6": reason, "7": reason}
    assert 8 in valid["row"].tolist()
    assert [f"{column}: {why}" for why in pixel_text.decode_squares(texts[:2])] == [reason] * 2


@pytest.mark.parametrize(("num_invalid", "passes"), [(4, True), (5, False)])
def test_max_invalid_fraction_is_inclusive(num_invalid: int, passes: bool, write: Callable[..., Path]) -> None:
    table = emotion_rows(COURSE, 40)
    table.loc[: num_invalid - 1, "pixels"] = "1 2 3"
    if passes:
        assert len(validated("emotion", write(table), rules(max_invalid_fraction=0.1))[1]) == num_invalid
    else:
        with pytest.raises(InputError, match=r"5 of 40 rows \(12.5%\) are invalid"):
            validated("emotion", write(table), rules(max_invalid_fraction=0.1))


@pytest.mark.parametrize("allowed", [0.001, 1.0])
def test_too_many_invalid_rows_fail_with_the_top_reasons(allowed: float, write: Callable[..., Path]) -> None:
    table = emotion_rows(COURSE, 40)
    table["pixels"] = "1 2 3" if allowed == 1.0 else table["pixels"]
    table.loc[7, "pixels"] = "1 2 3"
    raw = write(table)
    row = 1 if allowed == 1.0 else 8
    with pytest.raises(
        InputError,
        match=rf"rows .* are invalid(.|\n)*first row {row}: pixels: not a square of 16x16 or more \(3 values: ",
    ) as caught:
        validated("emotion", raw, rules(max_invalid_fraction=allowed))
    assert str(raw) in str(caught.value)
    assert ("raise validate.max_invalid_fraction" in str(caught.value)) == (allowed < 1)
    assert len(read_quarantine("emotion", raw)) == (40 if allowed == 1.0 else 1)
    assert not raw.with_name("emotion.parquet").exists()


def test_a_refused_table_does_not_replace_the_valid_table(write: Callable[..., Path]) -> None:
    raw = write(emotion_rows(COURSE, 40))
    validated("emotion", raw, rules())
    before = raw.with_name("emotion.parquet").read_bytes()
    write(emotion_rows(COURSE, 40).assign(pixels=""))
    with pytest.raises(InputError, match="40 of 40 rows"):
        validated("emotion", raw, rules())
    assert raw.with_name("emotion.parquet").read_bytes() == before
    assert not [path for path in raw.parent.iterdir() if path.name.startswith(".")]


def test_all_failed_table_expectations_are_in_one_message(write: Callable[..., Path]) -> None:
    table = emotion_rows(COURSE, 40)
    table.loc[3, "emotion"], table.loc[4, "emotion"], table.loc[5, "pixels"] = "6", "fear", "1 2 3"
    config = changed(rules(max_invalid_fraction=0), emotion__min_rows=41, emotion__class_fraction=(0.19, 0.6))
    with pytest.raises(InputError) as caught:
        validated("emotion", write(table), config)
    message = str(caught.value)
    assert "fewer than 41 rows (40 found); provide a larger table" in message
    assert "(2 rows, first row 4); set the encoding of this file" in message
    assert "fraction of happiness outside 0.19..0.6 (0.175 found)" in message
    assert "3 of 40 rows (7.5%) are invalid" in message
    assert "fraction of anger" not in message


def test_a_code_is_another_class_in_the_other_label_encoding(write: Callable[..., Path]) -> None:
    raw = write(emotion_rows(COURSE, 40).assign(emotion=[str(row % 5) for row in range(40)]))
    loose = {name: changed(rules(name), emotion__class_fraction=(0, 1)) for name in LABEL_ENCODINGS}
    found = {name: validated("emotion", raw, each)[0]["emotion"].unique().tolist() for name, each in loose.items()}
    assert found == {name: list(names[:5]) for name, names in LABEL_ENCODINGS.items()}


SIDE = 4
VALID_PIXEL = st.integers(0, 255).map(str)
PIXEL = st.one_of(
    VALID_PIXEL, VALID_PIXEL, VALID_PIXEL, st.sampled_from(["-3", "256", "1.5", "x", "007", "9" * 20, "1,,2"])
)
BLANK = st.sampled_from([" ", " ", "  ", "\t", "\u00a0"])
PIXEL_TEXT = st.one_of(
    *[st.lists(VALID_PIXEL, min_size=SIDE**2, max_size=SIDE**2).map(" ".join)] * 3,
    st.tuples(st.lists(PIXEL, min_size=SIDE**2 - 1, max_size=SIDE**2 + 1), BLANK).map(
        lambda cell: cell[1].join(cell[0])
    ),
    st.tuples(VALID_PIXEL, st.integers(0, 4)).map(
        lambda cell: " ".join([cell[0]] * (SIDE**2 - cell[1]) + ["9"] * cell[1])
    ),
    st.sampled_from(["", "x", 'quote " and, comma', "two\nlines", "\0"]),
)
LABEL = st.sampled_from([*"01234" * 3, "happy", " Sad ", "2.0", "1.5", "9", "", "contempt", "-1"])
USAGE = st.sampled_from(["Training", "PublicTest", " PrivateTest", "Training ", "test", "holdout", ""])
ROW = st.tuples(LABEL, PIXEL_TEXT, st.one_of(st.just("Training"), USAGE))


def parsed_by_python(text: str) -> list[int] | None:
    """The pixels of a valid text, None if it is invalid, in plain Python."""
    words = re.split(r"[ \t\r\n]+", text.strip(" \t\r\n"))
    if len(words) != SIDE**2 or not all(re.fullmatch("0*[0-9]{1,3}", word, re.ASCII) for word in words):
        return None
    values = [int(word) for word in words]
    mean = Fraction(sum(values), len(values))
    is_varied = sum((value - mean) ** 2 for value in values) / len(values) >= 2**2
    return values if max(values) <= 255 and is_varied else None


def is_valid(row: tuple[str, str, str]) -> bool:
    label, text, usage = row
    known = label in [*"01234", "happy", " Sad ", "2.0"]
    return (
        known
        and usage.strip() in ("Training", "PublicTest", "PrivateTest", "test")
        and parsed_by_python(text) is not None
    )


@settings(deadline=None, max_examples=15)
@given(st.lists(ROW, min_size=1, max_size=25), st.integers(1, 8))
def test_every_row_of_any_table_is_valid_or_quarantined_with_a_reason(
    rows: list[tuple[str, str, str]], chunk: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "emotion", SIDE)
        patch.setattr(expectations, "MIN_SIDE", SIDE)
        patch.setattr(pixel_text, "MIN_SIDE", SIDE)
        patch.setattr(raw_csv, "CHUNK_ROWS", chunk)
        raw = Path(folder, "raw.csv")
        with raw.open("w", newline="", encoding="utf-8") as text:
            csv.writer(text).writerows([("emotion", "pixels", "Usage"), *rows])
        config = changed(rules(max_invalid_fraction=1, min_rows=1), emotion__class_fraction=(0, 1))
        expected_valid = [number for number, row in enumerate(rows, start=1) if is_valid(row)]
        if expected_valid:
            valid, _ = validated("emotion", raw, config)
            assert valid["row"].tolist() == expected_valid
            assert [list(pixels) for pixels in valid["pixels"]] == [
                parsed_by_python(rows[row - 1][1]) for row in expected_valid
            ]
        else:
            with pytest.raises(InputError, match=rf"{len(rows)} of {len(rows)} rows? "):
                validated("emotion", raw, config)
        with raw.with_name("emotion-aside.csv").open(newline="", encoding="utf-8") as text:
            quarantined_rows = list(csv.DictReader(text))
        expected_invalid = [number for number in range(1, len(rows) + 1) if number not in expected_valid]
        assert [int(row["row"]) for row in quarantined_rows] == expected_invalid
        assert all(row["reasons"] for row in quarantined_rows)
        cells = [(row["emotion"], row["pixels"], row["Usage"]) for row in quarantined_rows]
        assert cells == [tuple(map(protect, rows[row - 1])) for row in expected_invalid]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"emotion,pixels\n", "a header but no row"),
        (b"emotion\n1\n", "no column holds pixels; found emotion"),
        (b"emotion;pixels\n1;2 3\n", "found emotion;pixels; separate the cells by commas"),
        (b"emotion,pixels,pixels\n1,2,3\n", "column pixels is repeated"),
        (b"emotion,pixels\n1,2,3,4\n", "row 1: more cells than the 2 columns of the header"),
        (b"emotion,pixels\n1,2\n1,2,3,4\n", "row 2: 4 cells, but the header has 2 columns"),
        (b"emotion,pixels\n1,\xff\xfe\n", "line 2: byte 0xff is not UTF-8"),
        (b'emotion,pixels\n1,"2 3\n', "row 1: a quote is not closed, and the file ends"),
        (b"\xff\xfee\0m\0", "it is UTF-16, or no text at all"),
        (b"emotion,pixels\r1,2\r1,\xe9 2\r", "line 3: byte 0xe9 is not UTF-8"),
        (b"emotion,pixels\n1,2\n1,\xe2\x82", "its last character is cut off"),
        (b"\nemotion,pixels\n1,2\n", "the file is empty, or its first line; a header"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff", "is a PNG picture, not a table; name a CSV"),
    ],
)
def test_the_error_for_a_file_that_is_not_a_table_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read_raw(path, "emotion"))
    assert str(path) in str(caught.value)


def test_errors_for_an_absent_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file; correct the path"):
        list(read_raw(tmp_path / "absent.csv", "emotion"))
    with pytest.raises(InputError, match="not a file"):
        list(read_raw(tmp_path, "emotion"))


@pytest.mark.parametrize(
    "content",
    [
        "emotion,pixels\n3,1 2\n",
        "emotion, pixels\n3,1 2\n",
        "emotion, Usage, pixels\n3,Training,1 2\n",
        "emotion,pixels,Usage\n3,1 2,Training\n",
        "\ufeffemotion,pixels\r\n3,1 2\r\n",
        '"emotion"," pixels"\r"3","1 2"',
    ],
)
def test_published_headers_give_the_same_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(content.encode())
    (chunk,) = read_raw(path, "emotion")
    assert chunk[["row", "emotion", "pixels"]].to_numpy().tolist() == [[1, "3", "1 2"]]
