"""Tables that are only scored: their pixels are found by content, and a row without any has the true reason."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.data.pixel_columns import looks_like_pixels, pixel_column
from tasks.readers.records import Record, read_records
from tasks.scoring.face_crops import crop_faces
from tests.readers.test_bounds import SCORE
from tests.readers.test_layouts import noise_texts, values_of

FEW = 4
SMALL, LARGE = noise_texts(1, FEW, 48), noise_texts(2, FEW, 96)
FILES = [f"{number:04}.jpg" for number in range(FEW)]
EMBEDDING = [" ".join(f"{value:.3f}" for value in np.random.default_rng(7).normal(size=512)) for _ in range(FEW)]


def spelled(texts: list[str], start: str, between: str, end: str) -> list[str]:
    return [f"{start}{between.join(text.split())}{end}" for text in texts]


def in_rows(text: str) -> str:
    """As NumPy prints an array of two dimensions."""
    values = text.split()
    rows = [" ".join(f"{value:>3}" for value in values[at : at + 48]) for at in range(0, len(values), 48)]
    return "[[" + "]\n [".join(rows) + "]]"


TABLES: dict[str, tuple[dict[str, list[str]], list[str]]] = {
    "Kaggle's test.csv": ({"ImageId": ["1", "2", "3", "4"], "Image": LARGE}, LARGE),
    "ICML's test.csv": ({"pixels": SMALL}, SMALL),
    "other columns": ({"id": FILES, "note": ["a face"] * FEW, "pixels": SMALL, "": [""] * FEW}, SMALL),
    "a column of names": ({"Image": FILES, "pixels": SMALL}, SMALL),
    "names under pixels": ({"pixels": FILES, "Image": LARGE}, LARGE),
    "emotion faces in Image": ({"Image": SMALL}, SMALL),
    "keypoint faces in pixels": ({"emotion": ["0"] * FEW, "pixels": LARGE}, LARGE),
    "beside an embedding": ({"embedding": EMBEDDING, "pixels": SMALL}, SMALL),
    "beside 512 features": (
        {**{f"feature{number}": ["0.5"] * FEW for number in range(512)}, "pixels": SMALL},
        SMALL,
    ),
    "an unknown name": ({"id": FILES, "face": SMALL}, SMALL),
    **{f"named {name!r}": ({name: SMALL}, SMALL) for name in ("image", "Pixels", " pixels", "pixel", "img", "IMG")},
    "a list": ({"pixels": spelled(SMALL, "[", ", ", "]")}, SMALL),
    "an array": ({"pixels": list(map(in_rows, SMALL))}, SMALL),
    "commas": ({"pixels": spelled(SMALL, "", ",", "")}, SMALL),
    "whole floats": ({"pixels": spelled(SMALL, "", ".0 ", ".0")}, SMALL),
}


@pytest.mark.parametrize("kind", TABLES)
def test_the_pixels_of_any_table_are_found(kind: str, tmp_path: Path) -> None:
    table, expected = TABLES[kind]
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    records = list(read_records(str(tmp_path / "a.csv")))
    assert [record.row for record in records] == [1, 2, 3, 4]
    images = [record.content for record in records if isinstance(record.content, np.ndarray)]
    assert [image.ravel().tolist() for image in images] == values_of(pd.Series(expected))


@pytest.mark.parametrize("side", [16, 64, 100])
def test_faces_of_any_square_size_are_scored(side: int, tmp_path: Path) -> None:
    pd.DataFrame({"pixels": noise_texts(3, 2, side)}).to_csv(tmp_path / "a.csv", index=False)
    crops = crop_faces(list(read_records(str(tmp_path / "a.csv"))), "auto", SCORE)
    assert crops.images["emotion"].shape == (2, 48, 48)
    assert crops.detections["box_size"].tolist() == [side, side]
    small = SCORE.model_copy(update={"max_image_pixels": side * side - 1})
    assert len(crop_faces(list(read_records(str(tmp_path / "a.csv"))), "auto", small).skipped) == 2


BAD_CELLS = {
    SMALL[0].split(" ", 1)[1]: "2,303 values are not the pixels of a square, such as 48x48 = 2,304",
    "7 " * 225: "15x15 pixels: too small for a face",
    SMALL[0].replace(" ", " -", 1): "a pixel of -",
    "999 " + SMALL[0].split(" ", 1)[1]: "a pixel of 999: pixels are 0..255",
    "": "no pixels: empty",
    "0001.png": "no pixels: '0001.png' is not a number",
    SMALL[0].replace(" ", " x", 1): "no pixels: 'x",
    "0.5 0.25 " * 1152: "no pixels: fractions up to 1, such as 0.5, multiply by 255 and round",
    "0 1 " * 1152: "all pixels are 0 or 1: multiply them by 255",
    "70 ... 80": "no pixels: shortened by '...', write all values",
}


def test_a_row_without_a_face_is_skipped_with_the_true_reason(tmp_path: Path) -> None:
    cells = [*BAD_CELLS, SMALL[1]]
    pd.DataFrame({"pixels": cells, "id": range(len(cells))}).to_csv(tmp_path / "a.csv", index=False)
    records = list(read_records(str(tmp_path / "a.csv")))
    assert [record.row for record in records] == list(range(1, len(cells) + 1))
    for record, reason in zip(records, BAD_CELLS.values(), strict=False):
        assert str(record.content).startswith(reason)
    assert isinstance(records[-1].content, np.ndarray)


def test_an_ingested_table_keeps_its_reasons(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"emotion": "anger", "pixels": ["", SMALL[0]], "unreadable": ["is truncated", "was, but mended"]}
    )
    table.to_csv(tmp_path / "a.csv", index=False)
    first, second = read_records(str(tmp_path / "a.csv"))
    assert first == Record(str(tmp_path / "a.csv"), 1, "is truncated")
    assert isinstance(second.content, np.ndarray)


ONE_PER_COLUMN = ",".join(["label", *(f"pixel{number}" for number in range(2304))])
UNREAD: dict[str, tuple[str | bytes, str]] = {
    "no pixels": (
        "a,b\n1,2\n",
        "no column holds pixels; found a, b; a cell of such a column, pixels or Image, is the ",
    ),
    "files": ("id,Image\n1,a b.jpg\n2,a.JPG\n", "its column Image holds names of image files, and none holds pixels; "),
    "one pixel per column": (
        f"{ONE_PER_COLUMN}\n{'7,' * 2304}7\n",
        "has one pixel per column (pixel0 ... pixel2303); join them, separated by blanks, into one column pixels",
    ),
    "MNIST": (
        ",".join(["label", *(f"{y}x{x}" for y in range(28) for x in range(28))]) + "\n1,2\n",
        "has one pixel per column (0x0 ... 27x27); join them",
    ),
    "semicolons": ("id;pixels\n1;2 3\n", "found id;pixels; separate the cells by commas, not by ';'"),
    "tabs": ("id\tpixels\n1\t2 3\n", "found id\tpixels; separate the cells by commas, not by '\\t'"),
    "no header": (f"{SMALL[0]}\n{SMALL[1]}\n", "its first line is pixels, not a header; put the names of the columns"),
    "UTF-16": (
        "id,pixels\n1,2\n".encode("utf-16"),
        "not readable as CSV text: it is UTF-16, or no text at all; export",
    ),
    "Latin-1": ("id,pixels\n1,2\nn\xe9e,3\n".encode("latin-1"), "not readable as CSV text (line 3: byte 0xe9 is not"),
    "a cell more": (f"id,pixels\n1,{SMALL[0]},3\n", "row 1: more cells than the 2 columns of the header; quote or"),
    "no rows": ("id,pixels\n", "has a header but no rows"),
}


@pytest.mark.parametrize("kind", UNREAD)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_an_unread_table_is_one_record_with_reason_and_remedy(kind: str, ending: str, tmp_path: Path) -> None:
    content, reason = UNREAD[kind]
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / f"a{ending}").write_bytes(gzip.compress(content) if ending == ".csv.gz" else content)
    (record,) = read_records(str(tmp_path / f"a{ending}"))
    assert record.row == 0
    assert str(record.content).startswith(reason)
    assert len(str(record.content)) < 400


def test_what_is_wrong_after_some_rows_names_the_row(tmp_path: Path) -> None:
    rows = [f"{row},{SMALL[row % FEW]}\n" for row in range(250)]
    rows[230] = f"230,{SMALL[0]},7\n"
    (tmp_path / "a.csv").write_text("id,pixels\n" + "".join(rows))
    records = list(read_records(str(tmp_path / "a.csv")))
    assert [record.row for record in records] == list(range(1, 202))
    reason = (
        "this row and all after it cannot be read: row 231: 3 cells, but the header has 2 columns; quote or mend it"
    )
    assert records[-1].content == reason
    (tmp_path / "a.csv").write_bytes(("id,pixels\n" + "".join(rows[:230])).encode() + b"\xe9,7\n")
    assert str(list(read_records(str(tmp_path / "a.csv")))[-1].content).startswith(
        "this row and all after it cannot be read: not readable as CSV text (line 232: byte 0xe9 is not UTF-8"
    )


def test_names_decide_only_between_equals() -> None:
    same = {"face": SMALL, "img": SMALL, "pixels": SMALL}
    assert pixel_column(pd.DataFrame(same, dtype="str")) == "pixels"
    short = {"note": ["1 2 3"], "Image": ["4 5 6"]}
    assert pixel_column(pd.DataFrame(short, dtype="str")) == "Image"
    assert pixel_column(pd.DataFrame({"Image": ["a.png"], "x": ["1"]}, dtype="str")) is None
    assert pixel_column(pd.DataFrame()) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in (SMALL[0], LARGE[0], spelled(SMALL, "[[", ", ", "]]")[0], "0.5 " * 300)),
        *((text, False) for text in ("", "7 8 9", "a face " * 200, "1" * 5000, "0001.jpg")),
    ],
)
def test_what_looks_like_pixels(text: str, expected: bool) -> None:
    assert looks_like_pixels(text) == expected
