"""Every kind of broken table gives quarantined rows with reasons, or an error with file and remedy."""

import csv
import gzip
import io
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import pytest

from faces.common.schema import COORDINATES
from tasks.common.files import InputError
from tasks.data import validation
from tasks.readers import raw_csv
from tasks.readers.raw_csv import PIXELS
from tests.conftest import Run, set_params
from tests.readers.test_layouts import (
    COURSE,
    EMOTION,
    emotion_rows,
    images_of,
    keypoint_rows,
    rules,
    through,
    tree,
    values_of,
)

csv.field_size_limit(sys.maxsize)

CLEAN = {"emotion": emotion_rows(COURSE, 60, seed=1), "keypoints": keypoint_rows(30, seed=1, missing=True)}
PNG, WIDE = (
    cv2.imencode(".png", np.arange(height * width, dtype=np.uint8).reshape(height, width))[1].tobytes()
    for height, width in ((48, 48), (24, 96))
)
# Only the header and its checksum are changed.
_HEADER = b"IHDR" + struct.pack(">II", 40000, 40000) + PNG[24:29]
ABSURD = PNG[:12] + _HEADER + struct.pack(">I", zlib.crc32(_HEADER)) + PNG[33:]

Cells = dict[str, str]


class Broken(NamedTuple):
    """A change to a "line" or the "bytes" of a clean table, or its replacement: another "source" or "image folder"."""

    where: str
    change: Callable


class Kind(NamedTuple):
    """A kind of broken table, its outcome ("fine", "quarantined" for its row, or "error"), and parts of the message."""

    name: str
    model: str
    broken: Broken
    outcome: str
    messages: tuple[str, ...]


def fine(name: str, model_name: str, broken: Broken) -> Kind:
    return Kind(name, model_name, broken, "fine", ())


def quarantined(name: str, model_name: str, broken: Broken, *messages: str) -> Kind:
    return Kind(name, model_name, broken, "quarantined", messages)


def error(name: str, model_name: str, broken: Broken, *messages: str) -> Kind:
    return Kind(name, model_name, broken, "error", messages)


def line(change: Callable[[Cells], Sequence[str]]) -> Broken:
    """Change a line of the table."""
    return Broken("line", change)


def cells(**changes: str | Callable[[str], str]) -> Broken:
    """Change cells of one line."""

    def changed(old: Cells) -> list[str]:
        new = {name: change(old[name]) if callable(change) else change for name, change in changes.items()}
        return list({**old, **new}.values())

    return line(changed)


def content(change: Callable[[bytes], bytes]) -> Broken:
    """Change the bytes of the file."""
    return Broken("bytes", change)


def table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Broken:
    """Change the table as a whole."""
    return content(lambda clean: as_csv(change(pd.read_csv(io.BytesIO(clean), dtype=str, keep_default_na=False))))


def labels(label: Callable[[int], int]) -> Broken:
    """Set the label of every row, by its number."""
    return table(lambda clean: clean.assign(emotion=[str(label(row)) for row in range(len(clean))]))


def zipped(change: Callable[[bytes], bytes] = bytes, names: Sequence[str] = ("fer2013.csv",)) -> Broken:
    """Pack the table, under each of the names, into a zip and change its bytes."""

    def pack(clean: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, clean)
        return change(buffer.getvalue())

    return content(pack)


def folder(*names: str) -> Broken:
    """Replace the table by a folder of these files."""

    def build(target: Path) -> str:
        (target / "mine").mkdir()
        for name in names:
            (target / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
            (target / "mine" / name).write_bytes(b"a,b\n" if name.endswith(".csv") else PNG)
        return str(target / "mine")

    return Broken("source", build)


def image_folder_with(name: str, file: bytes) -> Broken:
    """A folder of valid images and one more file."""

    def build(target: Path) -> str:
        root = Path(tree(EMOTION)(target))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(file)
        return str(root)

    return Broken("image folder", build)


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def without_first(text: str) -> str:
    """A pixel text without its first value."""
    return text.split(" ", 1)[1]


def swap(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, count)


def swap_bytes(old: bytes, new: bytes, count: int = 1) -> Callable[[bytes], bytes]:
    return lambda clean: clean.replace(old, new, count)


def flat(level: int, other: int, others: int, pixels: int) -> str:
    """Pixel text of one grey level, except for some pixels of another."""
    return " ".join([str(other)] * others + [str(level)] * (pixels - others))


def zip_field(offset: int, value: int) -> Callable[[bytes], bytes]:
    """Set a field of the member's header, and of its copy in the central directory at two bytes more."""

    def change(archive: bytes) -> bytes:
        edited, directory = bytearray(archive), archive.index(b"PK\x01\x02")
        edited[offset] = edited[directory + offset + 2] = value
        return bytes(edited)

    return change


def tarred(clean: bytes) -> bytes:
    """FER2013 as published by its challenge: fer2013.tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("fer2013/fer2013.csv")
        member.size = len(clean)
        archive.addfile(member, io.BytesIO(clean))
    return packed.getvalue()


def stray_quotes(clean: bytes) -> bytes:
    """Two stray quotes: one before the pixels of row 3, one after those of row 5."""
    lines = clean.split(b"\n")
    lines[3] = lines[3].replace(b",", b',"', 1)
    lines[5] = b'",'.join(lines[5].rsplit(b",", 1))
    return b"\n".join(lines)


def trailing_commas(clean: bytes) -> bytes:
    header, rows = clean.split(b"\n", 1)
    return header + b"\n" + rows.replace(b"\n", b",\n")


def quoted_and_truncated(clean: bytes) -> bytes:
    at = clean.rindex(b"\n", 0, -1) + 3
    return clean[:at] + b'"' + clean[at : at + 500]


EYES = {f"{one}_eye_center": f"{other}_eye_center" for one, other in (("left", "right"), ("right", "left"))}
EYE_COLUMNS = {f"{one}_{axis}": f"{other}_{axis}" for one, other in EYES.items() for axis in "xy"}
NEAR_EYES = {
    "left_eye_center_x": "42",
    "left_eye_center_y": "35",
    "right_eye_center_x": "40",
    "right_eye_center_y": "35",
}
UNREADABLE = "pixels: not integers"
EMPTY = "pixels: not integers (empty)"
NO_SQUARE = "pixels: not a square of 16x16 or more"
NO_CLASS = "emotion: a class that no label encoding has"
NO_FACE = "Image: not 96x96 pixels, of which the coordinates are"
NO_LABEL = "emotion: not a label of course (0..4, or a class name)"
NO_NUMBER = "coordinates: a cell is not a number"
NO_USAGE = "Usage: not one of Training, PublicTest, PrivateTest"
NO_CSV = "export it as UTF-8 CSV"
E, K = "emotion", "keypoints"

KINDS = [
    # pixels
    quarantined("2,303 pixels", E, cells(pixels=without_first), f"{NO_SQUARE} (2,303 values)"),
    quarantined("2,305 pixels", E, cells(pixels="7 {}".format), f"{NO_SQUARE} (2,305 values)"),
    quarantined("9,215 pixels", K, cells(Image=without_first), f"{NO_FACE} (9,215 values)"),
    quarantined(
        "3 million pixels",
        E,
        cells(pixels="7 " * 3_000_000),
        f"{NO_SQUARE} (3,000,000 values)",
        "nearly constant image",
    ),
    quarantined("a pixel under 0", E, cells(pixels=swap(" ", " -")), "pixels: a value under 0"),
    quarantined(
        "a pixel of 256", E, cells(pixels=lambda text: "256 " + without_first(text)), "pixels: a value over 255"
    ),
    quarantined(
        "a pixel that fits no integer", E, cells(pixels=lambda text: "9" * 25 + " " + without_first(text)), UNREADABLE
    ),
    quarantined(
        "pixels from 0 to 1",
        E,
        cells(pixels=lambda text: " ".join(f"{int(value) / 255:.3f}" for value in text.split())),
        f"{UNREADABLE} (fractions up to 1, such as ",
    ),
    quarantined(
        "pixels of 0 and 1",
        E,
        cells(pixels=flat(0, 1, 999, 2304)),
        "all pixels are 0 or 1: multiply them by 255",
        "nearly constant image",
    ),
    quarantined("one float pixel", K, cells(Image=swap(" ", ".5 ")), "Image: not integers ("),
    quarantined("shortened pixels", E, cells(pixels="[70 80 ... 90 95]"), f"{UNREADABLE} (shortened by '...', "),
    quarantined("a picture of 15 x 15", E, cells(pixels=flat(9, 99, 99, 225)), f"{NO_SQUARE} (15x15 pixels)"),
    quarantined("a picture of 48 x 48", K, cells(Image=flat(9, 99, 99, 2304)), f"{NO_FACE} (48x48 pixels)"),
    quarantined("a no-break space", E, cells(pixels=swap(" ", "\u00a0")), f"{UNREADABLE} ("),
    fine("whole floats", E, cells(pixels=swap(" ", ".0 ", -1))),
    fine("pixels between commas", E, cells(pixels=swap(" ", ",", -1))),
    fine("a list", E, cells(pixels=lambda text: f"[{text.replace(' ', ', ')}]")),
    fine("an array", K, cells(Image=lambda text: f"[[{text}]]")),
    quarantined("NUL in the pixels", E, cells(pixels=swap(" ", "\0 ")), UNREADABLE),
    quarantined("NUL after the pixels", E, cells(pixels="{}\0".format), UNREADABLE),
    quarantined("an empty pixel cell", E, cells(pixels=""), EMPTY),
    quarantined(
        "a constant image",
        E,
        cells(pixels=flat(9, 9, 0, 2304)),
        "constant or nearly constant image, standard deviation under 2 grey",
    ),
    quarantined(
        "a nearly constant image", E, cells(pixels=flat(90, 92, 999, 2304)), "pixels: constant or nearly constant image"
    ),
    quarantined(
        "a constant larger image", K, cells(Image=flat(0, 255, 0, 9216)), "Image: constant or nearly constant image"
    ),
    fine("double blanks", E, cells(pixels=swap(" ", "  ", 9))),
    fine("tabs and leading zeros", E, cells(pixels=lambda text: "\t00" + text.replace(" ", "\t", 9))),
    # labels and Usage
    quarantined("an empty label", E, cells(emotion=""), NO_LABEL),
    quarantined("a class that no encoding has", E, cells(emotion="Contempt"), f"{NO_CLASS} (contempt)"),
    quarantined("NUL in the label", E, cells(emotion="{}\0".format), NO_LABEL),
    quarantined("a label of 1.5", E, cells(emotion="1.5"), NO_LABEL),
    quarantined("a label of 9", E, cells(emotion="9"), NO_LABEL),
    quarantined("a label of -1", E, cells(emotion="-1"), NO_LABEL),
    quarantined("an unknown Usage", E, cells(Usage="Holdout"), NO_USAGE),
    quarantined("an empty Usage", E, cells(Usage=""), NO_USAGE),
    quarantined("everything wrong", E, cells(emotion="9", pixels="300 -1"), NO_LABEL, "under 0", "over 255", NO_SQUARE),
    error(
        "labels 5 and 6",
        E,
        labels(lambda row: row + 5 if row < 2 else row % 5),
        "a label 5 or 6 or fear or neutral, which is not in course (2 rows, first row 1)",
        "set the encoding of this file in validate.emotion.label_encoding",
    ),
    error(
        "a class is missing",
        E,
        labels(lambda row: row % 4),
        "fraction of surprise outside 0.005..0.6 (0 found)",
        "widen validate.emotion.class_fraction",
    ),
    error(
        "a class overwhelms",
        E,
        labels(lambda row: row % 5 if row % 15 < 5 else 3),
        "fraction of happiness outside 0.005..0.6 (0.7333 found)",
        "class_fraction",
    ),
    # coordinates
    quarantined("a coordinate of -1", K, cells(nose_tip_x="-1"), "coordinates: a value under 0, outside the image"),
    quarantined("a coordinate of 97", K, cells(nose_tip_y="97"), "coordinates: a value over 96, outside the image"),
    quarantined("a coordinate in words", K, cells(nose_tip_x="left"), NO_NUMBER),
    quarantined("a coordinate called NaN", K, cells(nose_tip_x="NaN"), NO_NUMBER),
    quarantined("an endless coordinate", K, cells(nose_tip_x="inf"), NO_NUMBER),
    quarantined("a decimal comma", K, cells(nose_tip_x="50,2"), NO_NUMBER),
    quarantined("x and no y", K, cells(nose_tip_y=""), "coordinates: a keypoint has only one of x and y"),
    quarantined(
        "no keypoint labelled", K, cells(**dict.fromkeys(COORDINATES, "")), "coordinates: no keypoint is labelled"
    ),
    quarantined("eyes 2 px apart", K, cells(**NEAR_EYES), "coordinates: eyes not 10 to 80 px apart"),
    quarantined(
        "one face's eyes swapped", K, cells(left_eye_center_x="30", right_eye_center_x="66"), "left eye not to the"
    ),
    error(
        "the eyes' columns swapped",
        K,
        table(lambda clean: clean.rename(columns=EYE_COLUMNS)),
        "30 of 30 rows (100.0%) are invalid",
        "coordinates: left eye not to the right of the right eye",
        "correct them",
    ),
    error(
        "a keypoint rarely labelled",
        K,
        table(lambda clean: clean.assign(nose_tip_x="", nose_tip_y="")),
        "coordinates: nose_tip is missing in more than 80% of the rows",
        "raise validate.keypoints.max_missing_fraction",
    ),
    # lines
    quarantined("a line with fewer cells", E, line(lambda old: [old["emotion"]]), UNREADABLE, NO_USAGE),
    quarantined("a line with a cell less", K, line(lambda old: [*old.values()][:-1]), "Image: not integers"),
    quarantined("an empty line", E, line(lambda old: []), UNREADABLE, NO_USAGE, NO_LABEL),
    quarantined("the header again", E, line(lambda old: [*old]), UNREADABLE, NO_USAGE, NO_CLASS),
    quarantined(
        "the header again, BOM and all",
        E,
        line(lambda old: ["\ufeffemotion", *[*old][1:]]),
        UNREADABLE,
        NO_USAGE,
        NO_CLASS,
    ),
    quarantined("truncated in a row", E, content(lambda clean: clean[:-3000]), NO_SQUARE),
    quarantined(
        "truncated after a label", E, content(lambda clean: clean[: clean.rindex(b"\n", 0, -1) + 2]), UNREADABLE
    ),
    quarantined("two stray quotes", E, content(stray_quotes), UNREADABLE),
    error(
        "truncated in quotes", E, content(quoted_and_truncated), ", row 60: a quote is not closed, ", "close or remove"
    ),
    error(
        "a line with a cell more",
        E,
        content(swap_bytes(b"\n3,", b"\n3,1,")),
        ", row 4: 4 cells, but the header has 3",
        "mend it",
    ),
    error("a comma after every line", E, content(trailing_commas), ", row 1: more cells than the 3 columns", "mend it"),
    # files
    fine("a byte-order mark", E, content(lambda clean: b"\xef\xbb\xbf" + clean)),
    fine("CRLF", E, content(swap_bytes(b"\n", b"\r\n", -1))),
    fine("CR alone", E, content(swap_bytes(b"\n", b"\r", -1))),
    fine("no line end at the end", K, content(bytes.rstrip)),
    error("semicolons", E, content(swap_bytes(b",", b";", -1)), "found emotion;pixels;Usage", "by commas, not by ';'"),
    error("tabs", K, content(swap_bytes(b",", b"\t", -1)), "found left_eye_center_x", "by commas, not by '\\t'"),
    error("UTF-16", E, content(lambda clean: clean.decode().encode("utf-16")), "it is UTF-16, or", NO_CSV),
    error("UTF-16 without a mark", E, content(lambda clean: clean.decode().encode("utf-16-le")), "UTF-16", NO_CSV),
    error(
        "Latin-1",
        E,
        content(swap_bytes(b"Training", b"Entra\xeenement")),
        "line 2: byte 0xee is not UTF-8, but perhaps Latin-1",
        NO_CSV,
    ),
    error("Latin-1 at the end", K, content(lambda clean: clean + b"\xe9 "), "line 32: byte 0xe9 is not UTF-8", NO_CSV),
    error("a column twice", E, content(swap_bytes(b"Usage", b"pixels")), "column pixels is repeated", "remove one"),
    error(
        "Usage twice",
        E,
        table(lambda clean: clean.assign(usage="").rename(columns={"usage": " Usage"})),
        "column Usage is repeated",
        "remove one",
    ),
    error(
        "no header",
        E,
        content(lambda clean: clean.split(b"\n", 1)[1]),
        "its first line is pixels, not a header",
        "put the",
    ),
    error("the header alone", E, content(lambda clean: clean.split(b"\n")[0] + b"\n"), "no row", "rows are needed"),
    error(
        "no rows but blank lines", E, content(lambda clean: b"emotion,pixels" + b"\n" * 13), "12 of 12 rows", "correct"
    ),
    error(
        "a blank line first", K, content(lambda clean: b"\r\n" + clean), "or its first line", "a header and rows are"
    ),
    error("an empty file", E, content(lambda clean: b""), "the file is empty", "a header and rows are needed"),
    error("too few rows", E, table(lambda clean: clean[:9]), "fewer than 10 rows (9 found)", "provide a larger table"),
    error(
        "the other model's table", K, content(lambda clean: as_csv(CLEAN["emotion"])), "no column", "found emotion, "
    ),
    error("an image", E, content(lambda clean: PNG), "is a PNG picture, not a table", "name a CSV, or a folder"),
    error(
        "a web page",
        E,
        content(lambda clean: b"<html><p>Sign in, please</p>"),
        "is a web page, not a table",
        "download the file",
    ),
    error(
        "no such file",
        E,
        Broken("source", lambda target: str(target / "absent.csv")),
        "no such file",
        "correct the path",
    ),
    error("a folder of keypoints", K, folder("a/b/1.png"), "is a folder without a Parquet", "name the CSV itself"),
    # archives
    error(
        "truncated gzip", E, content(lambda clean: gzip.compress(clean)[:-2000]), "cannot be unpacked", "fetch it again"
    ),
    fine("gzip of a tar", E, content(tarred)),
    error("gzip of a few bytes", E, content(lambda clean: b"\x1f\x8b\x08"), "cannot be unpacked", "fetch it again"),
    error(
        "damaged gzip",
        E,
        content(lambda clean: gzip.compress(clean)[:10] + b"\xff" * 99),
        "cannot be unpacked",
        "fetch",
    ),
    error(
        "gzip of noise", E, content(lambda clean: gzip.compress(bytes(range(128, 256)))), "not readable as CSV", NO_CSV
    ),
    error("gzip of gzip", E, content(lambda clean: gzip.compress(gzip.compress(clean))), "is a gzip archive", "unpack"),
    error(
        "gzip with trailing bytes",
        E,
        content(lambda clean: gzip.compress(clean) + b"more"),
        "cannot be unpacked",
        "fetch it",
    ),
    error(
        "zip with a wrong checksum",
        E,
        zipped(swap_bytes(b",Training\n", b",training\n")),
        "Bad CRC-32",
        "fetch it again",
    ),
    error("truncated zip", E, zipped(lambda archive: archive[:-100]), "cannot be unpacked", "fetch it again"),
    error("zip of two CSVs", E, zipped(names=["a.csv", "b.csv"]), "one CSV is needed", "a.csv, b.csv", "unpack it"),
    error("zip of no CSV", E, zipped(names=["a.txt"]), "one CSV is needed", "found none", "unpack it and name the CSV"),
    error("zip of nothing", E, zipped(names=[]), "is an archive without regular files", "pack the files again"),
    error("zip with a password", E, zipped(zip_field(6, 1)), "encrypted", "unpack it yourself"),
    error("zip of an unknown method", E, zipped(zip_field(8, 99)), "compression method", "unpack it yourself"),
    # image folders
    error("an empty folder", E, folder(), "contains no image", "<split>/<class name>/*.png or *.jpg is needed"),
    error("a folder of CSVs", E, folder("train.csv"), "contains no image", "<split>/<class name>/*.png"),
    error(
        "a folder of a code",
        E,
        image_folder_with("train/3/1.png", PNG),
        "the folder 3 names no class: codes differ between data sets",
        "rename it by what its faces show",
    ),
    quarantined(
        "a folder of an unknown class", E, image_folder_with("train/Contempt/1.png", PNG), f"{NO_CLASS} (contempt)"
    ),
    error(
        "a folder of no split",
        E,
        image_folder_with("extra/happy/1.png", PNG),
        "extra names no split",
        "rename it train, ",
    ),
    error(
        "an image in no class",
        E,
        image_folder_with("happy/1.png", PNG),
        "is not in <split>/<class name>/",
        "move it",
    ),
    quarantined("text called .png", E, image_folder_with("train/happy/0.png", b"no image"), "is a text file"),
    quarantined("nothing called .jpg", E, image_folder_with("train/happy/0.jpg", b""), "is empty"),
    quarantined("a truncated image", E, image_folder_with("train/happy/0.png", PNG[:-30]), "is truncated or corrupt"),
    quarantined(
        "an image of absurd size", E, image_folder_with("train/happy/0.png", ABSURD), "40000x40000 pixels are more than"
    ),
    quarantined("an image of 24 x 96", E, image_folder_with("train/happy/0.png", WIDE), "96x24 pixels: not square"),
    quarantined(
        "a name that is not UTF-8", E, image_folder_with("train/happy/caf\udce9.png", b"no image"), "is a text file"
    ),
]


def lines_broken(model_name: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.model == model_name and kind.broken.where == "line"]


def lines_of(model_name: str) -> list[list[str]]:
    """The lines of the clean table; the first ones are broken, one per kind."""
    kinds, lines = lines_broken(model_name), CLEAN[model_name].to_dict("records")
    assert len(kinds) < 0.8 * len(lines)
    return [list(kind.broken.change(old)) for kind, old in zip(kinds, lines, strict=False)] + [
        list(old.values()) for old in lines[len(kinds) :]
    ]


def write_lines_broken(model_name: str, target: Path) -> str:
    with (target / "mine.csv").open("w", newline="", encoding="utf-8") as text:
        csv.writer(text, lineterminator="\n").writerows([[*CLEAN[model_name]], *lines_of(model_name)])
    return str(target / "mine.csv")


@cache
def all_lines_broken(model_name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Their valid and quarantined rows, from one run for all kinds, because Great Expectations is slow."""
    with TemporaryDirectory() as target:
        return counted(model_name, write_lines_broken(model_name, Path(target)), Path(target))


def counted(
    model_name: str, source: str, target: Path, label_encoding: str = "course"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The valid and the quarantined rows; together they are the rows that Python's csv module reads."""
    valid, invalid = through(model_name, source, target, rules(label_encoding, max_invalid_fraction=0.9))
    with (target / "raw" / f"{model_name}.csv").open(newline="", encoding="utf-8-sig") as text:
        rows = len(list(csv.reader(text))) - 1
    assert sorted([*valid["row"], *invalid["row"].astype(int)]) == list(range(1, rows + 1))
    assert invalid["reasons"].all()
    return valid, invalid


def write_source(kind: Kind, target: Path) -> str:
    """Write the broken table, or the source that replaces it; return its path."""
    if kind.broken.where in ("source", "image folder"):
        return kind.broken.change(target)
    (target / "mine.csv").write_bytes(kind.broken.change(as_csv(CLEAN[kind.model])))
    return str(target / "mine.csv")


def kinds(where: str, outcome: str) -> pytest.MarkDecorator:
    selected = [
        kind for kind in KINDS if (kind.broken.where == "line") == (where == "line") and kind.outcome == outcome
    ]
    return pytest.mark.parametrize("kind", selected, ids=[f"{kind.model}: {kind.name}" for kind in selected])


@kinds("line", "quarantined")
def test_a_broken_row_is_quarantined_unchanged(kind: Kind) -> None:
    _, invalid = all_lines_broken(kind.model)
    number = lines_broken(kind.model).index(kind)
    (row,) = invalid[invalid["row"] == str(number + 1)].to_dict("records")
    assert all(message in row["reasons"] for message in kind.messages), row["reasons"]
    assert len(row["reasons"].split("; ")) == len(kind.messages), row["reasons"]
    original = lines_of(kind.model)[number]
    assert list(row.values())[2:] == original + [""] * (len(row) - 2 - len(original))


@pytest.mark.parametrize("model_name", CLEAN)
def test_only_broken_rows_are_quarantined(model_name: str) -> None:
    valid, invalid = all_lines_broken(model_name)
    expected = [n + 1 for n, kind in enumerate(lines_broken(model_name)) if kind.outcome == "quarantined"]
    assert invalid["row"].astype(int).tolist() == expected
    positions = valid["row"].to_numpy() - 1
    assert images_of(valid) == values_of(CLEAN[model_name][PIXELS[model_name]].iloc[positions])


@kinds("file", "quarantined")
def test_a_truncated_table_or_broken_image_is_one_quarantined_row(kind: Kind, tmp_path: Path) -> None:
    label_encoding = "fer2013" if kind.broken.where == "image folder" else "course"
    valid, invalid = counted(kind.model, write_source(kind, tmp_path), tmp_path, label_encoding)
    (reasons,) = invalid["reasons"]
    assert all(message in reasons for message in kind.messages), reasons
    assert len(valid) >= 40


@kinds("file", "fine")
def test_an_unusual_but_valid_table_is_read(kind: Kind, tmp_path: Path) -> None:
    valid, invalid = counted(kind.model, write_source(kind, tmp_path), tmp_path)
    assert len(invalid) == 0
    assert images_of(valid) == values_of(CLEAN[kind.model][PIXELS[kind.model]])


@kinds("file", "error")
def test_the_error_for_a_broken_table_names_the_file_and_the_remedy(kind: Kind, tmp_path: Path) -> None:
    source = write_source(kind, tmp_path)
    with pytest.raises(InputError) as caught:
        through(kind.model, source, tmp_path, rules())
    error_message = str(caught.value)
    raw = tmp_path / "raw" / f"{kind.model}.csv"
    assert error_message.startswith(source) or error_message.startswith(str(raw))
    assert all(message in error_message for message in kind.messages), error_message
    assert len(error_message) < 1500
    names = {path.name for path in tmp_path.rglob("*")}
    assert not [name for name in names if name.startswith(".") or name.endswith(".parquet")]
    # The quarantine is written even if the table is refused, so that its rows can be corrected.
    assert (f"{kind.model}-aside.csv" in names) == ("cannot be used" in error_message)


def test_there_are_at_least_35_kinds() -> None:
    assert len({(kind.model, kind.name) for kind in KINDS}) == len(KINDS) >= 35


def made(project: Path) -> list[str]:
    """Files written by stages, temporary ones included, except for Data Docs."""
    files = [path for name in ("data", "reports") for path in (project / name).rglob("*") if path.is_file()]
    return sorted(
        str(path.relative_to(project)) for path in files if "docs" not in path.parts and path.name != "README.md"
    )


def test_the_stages_report_errors_and_quarantined_rows_can_be_corrected(project: Path, run: Run) -> None:
    """A truncated download, then a table with too many invalid rows, then its corrected quarantine."""
    (project / "mine").mkdir()
    (project / "mine/keypoints.csv").write_bytes(as_csv(keypoint_rows(60)))
    clean = emotion_rows(COURSE, 80)
    broken = as_csv(clean.assign(pixels=clean["pixels"].where(clean.index >= 60, "1 2 3")))
    (project / "mine/emotion.csv.gz").write_bytes(gzip.compress(broken)[:-2000])
    set_params(project, ingest__keypoints="mine/keypoints.csv", ingest__emotion="mine/emotion.csv.gz")

    def fails(stage: str) -> str:
        done = run("python", "-m", "flows", "run", stage, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert f"{stage} cannot be done" in done.stderr
        return done.stderr

    message = fails("ingest")
    assert "mine/emotion.csv.gz: cannot be unpacked" in message
    assert "fetch it again" in message
    assert made(project) == ["data/raw/keypoints.csv"]

    (project / "mine/emotion.csv.gz").write_bytes(gzip.compress(broken))
    run("python", "-m", "flows", "run", "ingest")
    assert (project / "data/raw/emotion.csv").read_bytes() == broken
    message = fails("validate")
    assert "60 of 80 rows (75.0%) are invalid" in message
    assert "correct them in a copy of data/quarantine/emotion.csv" in message
    assert [name for name in made(project) if "emotion" in name] == [
        *("data/quarantine/emotion.csv", "data/raw/emotion.csv", "reports/validation/emotion.json")
    ]
    assert not [name for name in made(project) if "/." in name]

    invalid = pd.read_csv(project / "data/quarantine/emotion.csv", dtype=str)
    assert invalid["row"].tolist() == [str(row) for row in range(1, 61)]
    invalid.assign(pixels=clean["pixels"][:60]).to_csv(project / "mine/corrected.csv", index=False)
    set_params(project, ingest__emotion="mine/corrected.csv")
    for stage in ("ingest", "validate"):
        run("python", "-m", "flows", "run", stage)
    valid = pd.read_parquet(project / "data/validated/emotion.parquet")
    assert images_of(valid) == values_of(clean["pixels"][:60])
    assert valid["emotion"].tolist() == [COURSE[int(code)] for code in clean["emotion"][:60]]


@pytest.mark.parametrize("model_name", CLEAN)
@pytest.mark.parametrize("rows", [1, 7, 29])
def test_the_chunk_size_does_not_change_the_results(
    model_name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No table is in memory as a whole; a chunk may have no valid or no invalid row."""
    expected = all_lines_broken(model_name)
    lengths: list[int] = []

    def watched(real: Callable) -> Callable:
        def call(rows: Sequence, *rest: object) -> object:
            lengths.append(len(rows))
            return real(rows, *rest)

        return call

    for name in ("emotion_row_checks", "keypoint_row_checks", "decode_images"):
        monkeypatch.setattr(validation, name, watched(getattr(validation, name)))
    monkeypatch.setattr(raw_csv, "CHUNK_ROWS", rows)
    valid, invalid = counted(model_name, write_lines_broken(model_name, tmp_path), tmp_path)
    pd.testing.assert_frame_equal(valid, expected[0])
    pd.testing.assert_frame_equal(invalid, expected[1])
    assert max(lengths) == rows
    assert sum(lengths) == 2 * len(CLEAN[model_name]) - len(invalid)
