"""Broken tables end in quarantine with their reason, or in a clear error; nothing is dropped in silence."""

from collections.abc import Callable
from pathlib import Path

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pytest

from faces.labels import COORDINATES
from faces.sample.tables import emotion_table, keypoints_table, planted
from params import Validate
from tasks.files import InputError
from tasks.suites import run_suite
from tasks.tables import read_raw
from tasks.validate import judge_table, set_aside

ROWS = 120
TABLES = {"keypoints": keypoints_table(3, ROWS), "emotion": emotion_table(3, ROWS)}


def settings(max_quarantined: float = 0.2, min_rows: int = 10) -> Validate:
    return Validate.model_validate(
        {
            "max_quarantined": max_quarantined,
            "keypoints": {"min_rows": min_rows},
            "emotion": {"min_rows": min_rows, "label_set": "course"},
        }
    )


def validate(head: str, raw: Path, rules: Validate) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The valid and the quarantined rows of a raw table."""
    folder = raw.parent
    findings = judge_table(head, raw, rules, folder / f"{head}.json", folder / "docs")
    valid = set_aside(head, raw, findings, rules, folder / "valid.parquet", folder / "quarantine.csv")
    return pd.read_parquet(valid), pd.read_csv(folder / "quarantine.csv", dtype=str)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, pd.DataFrame], Path]:
    def to_csv(head: str, table: pd.DataFrame) -> Path:
        path = tmp_path / f"raw-{head}.csv"
        table.to_csv(path, index=False)
        return path

    return to_csv


@pytest.mark.parametrize("head", TABLES)
def test_planted_defects_are_set_aside_and_counts_add_up(head: str, write: Callable[..., Path]) -> None:
    valid, aside = validate(head, write(head, TABLES[head]), settings())
    counts = planted(ROWS, head)
    assert len(valid) + len(aside) == ROWS
    assert set(valid["row"]).isdisjoint(aside["row"].astype(int))
    reasons = aside["reasons"].str.cat(sep="|")
    side = {"keypoints": 9216, "emotion": 2304}[head]
    assert reasons.count(f"not {side} values") == counts["short"]
    assert reasons.count("a value over 255") == counts["over_range"]
    assert reasons.count("every value the same") == counts["constant"]
    if head == "emotion":
        assert reasons.count("not a label of course (0..4)") == counts["unknown_label"]
    else:
        assert reasons.count("no point is labelled") == counts["all_missing"]
        incomplete = valid[list(COORDINATES)].isna().any(axis=1).sum()
        assert incomplete == counts["some_missing"]


def test_quarantine_keeps_the_original_text(write: Callable[..., Path]) -> None:
    table = TABLES["emotion"].astype({"emotion": str})
    _, aside = validate("emotion", write("emotion", table), settings())
    for row, text, label in zip(aside["row"].astype(int), aside["pixels"], aside["emotion"], strict=True):
        assert text == table["pixels"].iloc[row - 1]
        assert label == table["emotion"].iloc[row - 1]


def test_columns_that_nobody_reads_are_kept_in_the_quarantine(tmp_path: Path) -> None:
    table = TABLES["emotion"].iloc[:60].astype(str).assign(source="album", row="mine", reasons="none")
    table.loc[7, "pixels"] = "1 2 3"
    path = tmp_path / "raw.csv"
    table.to_csv(path)
    valid, aside = validate("emotion", path, settings())
    (bad,) = aside[aside["row"] == "8"].to_dict("records")
    assert (bad["source"], bad["row.5"], bad["unnamed.1"]) == ("album", "mine", "7")
    assert list(valid.columns) == ["row", "pixels", "emotion"]


def test_a_blank_line_is_a_bad_row_and_numbers_stay_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    lines = TABLES["emotion"].iloc[:40].to_csv(index=False).splitlines(keepends=True)
    path.write_text("".join([*lines[:5], "\n", *lines[5:10], lines[10].split(",")[0] + ",7 7\n", *lines[11:]]))
    valid, aside = validate("emotion", path, settings())
    assert {"5", "11"} <= set(aside["row"])
    assert len(valid) + len(aside) == 41


def test_a_rule_that_cannot_be_judged_is_no_pass(tmp_path: Path) -> None:
    rule = gxe.ExpectColumnValuesToBeBetween(column="x", min_value=0, severity="warning", meta={"reason": "x"})
    facts = pd.DataFrame({"row": [1, 2], "x": [1, "two"]})
    with pytest.raises(RuntimeError, match="could not judge"):
        run_suite("mixed", [rule], facts, tmp_path)


def test_valid_pixels_and_labels_are_those_of_the_raw_row(write: Callable[..., Path]) -> None:
    valid, _ = validate("emotion", write("emotion", TABLES["emotion"]), settings())
    names = ("anger", "disgust", "sad", "happiness", "surprise")
    for row, pixels, emotion in zip(valid["row"][:20], valid["pixels"][:20], valid["emotion"][:20], strict=True):
        raw = TABLES["emotion"].iloc[row - 1]
        np.testing.assert_array_equal(np.frombuffer(pixels, np.uint8), np.array(raw["pixels"].split(), np.uint8))
        assert emotion == names[raw["emotion"]]


def _cell(column: str, value: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[7, column] = value
        return table

    return change


GOOD_EMOTION = " ".join(str(k % 256) for k in range(2304))


@pytest.mark.parametrize(
    ("head", "change", "reason"),
    [
        ("emotion", _cell("emotion", ""), "not a label"),
        ("emotion", _cell("emotion", "happy"), "not a label"),
        ("emotion", _cell("emotion", "1.5"), "not a label"),
        ("emotion", _cell("emotion", "-1"), "not a label"),
        ("emotion", _cell("pixels", ""), "not whole numbers"),
        ("emotion", _cell("pixels", GOOD_EMOTION.replace("17 ", "17.5 ", 1)), "not whole numbers"),
        ("emotion", _cell("pixels", GOOD_EMOTION.replace(" ", ",")), "not whole numbers"),
        ("emotion", _cell("pixels", GOOD_EMOTION.replace("17 ", "-17 ", 1)), "a value under 0"),
        ("emotion", _cell("pixels", GOOD_EMOTION.replace("17 ", "256 ", 1)), "a value over 255"),
        ("emotion", _cell("pixels", GOOD_EMOTION + " 1"), "not 2304 values"),
        ("emotion", _cell("pixels", GOOD_EMOTION.rsplit(" ", 1)[0]), "not 2304 values"),
        ("keypoints", _cell("nose_tip_x", "96.5"), "outside the image"),
        ("keypoints", _cell("nose_tip_x", "-1"), "a value under 0"),
        ("keypoints", _cell("nose_tip_x", "left"), "a cell is not a number"),
        ("keypoints", _cell("nose_tip_x", "inf"), "a cell is not a number"),
        ("keypoints", _cell("left_eye_center_x", "5"), "left eye not to the right"),
    ],
)
def test_a_bad_cell_is_quarantined_with_its_reason(
    head: str, change: Callable[[pd.DataFrame], pd.DataFrame], reason: str, write: Callable[..., Path]
) -> None:
    table = change(TABLES[head].iloc[:60].astype(str).replace("nan", ""))
    _, aside = validate(head, write(head, table), settings())
    (why,) = aside.loc[aside["row"] == "8", "reasons"]
    assert reason in why


def test_every_reason_of_a_row_is_given(write: Callable[..., Path]) -> None:
    table = TABLES["emotion"].iloc[:60].astype(str)
    table.loc[7] = ["9", "300 -1"]
    _, aside = validate("emotion", write("emotion", table), settings())
    (why,) = aside.loc[aside["row"] == "8", "reasons"]
    assert all(part in why for part in ("not a label", "under 0", "over 255", "not 2304 values"))


@pytest.mark.parametrize("allowed", [0.001, 1.0])
def test_too_many_bad_rows_fail_with_the_top_reasons(allowed: float, write: Callable[..., Path]) -> None:
    table = TABLES["emotion"].iloc[:40].astype(str)
    table["pixels"] = "1 2 3" if allowed == 1.0 else table["pixels"]
    table.loc[7, "pixels"] = "1 2 3"
    raw = write("emotion", table)
    with pytest.raises(InputError, match=r"rows .* are bad(.|\n)*first row \d+: pixels: not 2304 values") as caught:
        validate("emotion", raw, settings(allowed))
    assert str(raw) in str(caught.value)
    assert ("raise validate.max_quarantined" in str(caught.value)) == (allowed < 1)
    assert (raw.parent / "quarantine.csv").exists()
    assert not (raw.parent / "valid.parquet").exists()


def test_too_few_rows_fail(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"fewer than 500 rows \(120 found\)"):
        validate("emotion", write("emotion", TABLES["emotion"]), settings(min_rows=500))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"emotion,pixels\n", "a header but no row"),
        (b"emotion\n1\n", "no column pixels"),
        (b"emotion;pixels\n1;2 3\n", "no column emotion, pixels"),
        (b"emotion,pixels,pixels\n1,2,3\n", "column pixels stands there twice"),
        (b"emotion,pixels\n1,2,3,4\n", "after row 0: a row has more cells"),
        (b"emotion,pixels\n1,2\n1,2,3,4\n", "Expected 2 fields in line 3"),
        (b"emotion,pixels\n1,\xff\xfe\n", "not readable as CSV"),
        (b'emotion,pixels\n1,"2 3\n', "not readable as CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff", "header: n"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read_raw(path, "emotion"))
    assert str(path) in str(caught.value)


def test_an_absent_file_and_a_folder_are_named(tmp_path: Path) -> None:
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
    ],
)
def test_published_headers_read_alike(tmp_path: Path, content: str) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(content.encode())
    (chunk,) = read_raw(path, "emotion")
    assert chunk[["row", "emotion", "pixels"]].to_numpy().tolist() == [[1, "3", "1 2"]]
