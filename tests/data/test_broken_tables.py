"""Every kind of broken table ends in quarantine with its reason, or in an error that names the file and the remedy."""

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
PNG, LARGE, WIDE = (
    cv2.imencode(".png", np.arange(height * width, dtype=np.uint8).reshape(height, width))[1].tobytes()
    for height, width in ((48, 48), (50, 50), (24, 96))
)
# Its header alone is changed, the check sum with it.
_HEADER = b"IHDR" + struct.pack(">II", 40000, 40000) + PNG[24:29]
ABSURD = PNG[:12] + _HEADER + struct.pack(">I", zlib.crc32(_HEADER)) + PNG[33:]

Cells = dict[str, str]


class Broken(NamedTuple):
    """What is done to a clean table: to a "line" of it, to its "bytes", or to what it comes as ("source", "tree")."""

    where: str
    change: Callable


class Kind(NamedTuple):
    """A kind of broken table, whether it is "fine", its row goes "aside" or it is an "error", and what is said."""

    name: str
    head: str
    broken: Broken
    outcome: str
    said: tuple[str, ...]


def fine(name: str, head: str, broken: Broken) -> Kind:
    return Kind(name, head, broken, "fine", ())


def aside(name: str, head: str, broken: Broken, *said: str) -> Kind:
    return Kind(name, head, broken, "aside", said)


def error(name: str, head: str, broken: Broken, *said: str) -> Kind:
    return Kind(name, head, broken, "error", said)


def line(change: Callable[[Cells], Sequence[str]]) -> Broken:
    """A line of the table is changed."""
    return Broken("line", change)


def cells(**changes: str | Callable[[str], str]) -> Broken:
    """Cells of one line are changed."""

    def changed(old: Cells) -> list[str]:
        new = {name: change(old[name]) if callable(change) else change for name, change in changes.items()}
        return list({**old, **new}.values())

    return line(changed)


def content(change: Callable[[bytes], bytes]) -> Broken:
    """The file's bytes are changed."""
    return Broken("bytes", change)


def table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Broken:
    """The table is changed as a whole."""
    return content(lambda clean: as_csv(change(pd.read_csv(io.BytesIO(clean), dtype=str, keep_default_na=False))))


def labels(label: Callable[[int], int]) -> Broken:
    """Every row gets another label, by its number."""
    return table(lambda clean: clean.assign(emotion=[str(label(row)) for row in range(len(clean))]))


def zipped(change: Callable[[bytes], bytes] = bytes, names: Sequence[str] = ("fer2013.csv",)) -> Broken:
    """The table, under each of the names, in a zip whose bytes are changed."""

    def pack(clean: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, clean)
        return change(buffer.getvalue())

    return content(pack)


def folder(*names: str) -> Broken:
    """A folder of these files in the table's place."""

    def build(place: Path) -> str:
        (place / "mine").mkdir()
        for name in names:
            (place / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "mine" / name).write_bytes(PNG)
        return str(place / "mine")

    return Broken("source", build)


def tree_with(name: str, file: bytes) -> Broken:
    """A tree of sound pictures and a file more."""

    def build(place: Path) -> str:
        root = Path(tree(EMOTION)(place))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(file)
        return str(root)

    return Broken("tree", build)


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def cut(text: str) -> str:
    """A pixel text less its first value."""
    return text.split(" ", 1)[1]


def swap(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, count)


def swap_bytes(old: bytes, new: bytes, count: int = 1) -> Callable[[bytes], bytes]:
    return lambda clean: clean.replace(old, new, count)


def flat(level: int, other: int, others: int, pixels: int) -> str:
    """A picture of one grey level, but for some pixels of another."""
    return " ".join([str(other)] * others + [str(level)] * (pixels - others))


def zip_field(offset: int, value: int) -> Callable[[bytes], bytes]:
    """Sets a field of the member's header, and of its copy in the directory, which begins with two bytes more."""

    def change(archive: bytes) -> bytes:
        edited, directory = bytearray(archive), archive.index(b"PK\x01\x02")
        edited[offset] = edited[directory + offset + 2] = value
        return bytes(edited)

    return change


def tarred(clean: bytes) -> bytes:
    """FER2013 as its challenge published it: fer2013.tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("fer2013/fer2013.csv")
        member.size = len(clean)
        archive.addfile(member, io.BytesIO(clean))
    return packed.getvalue()


def swallowing(clean: bytes) -> bytes:
    """Two stray quotes: one before the pixels of row 3, one after those of row 5."""
    lines = clean.split(b"\n")
    lines[3] = lines[3].replace(b",", b',"', 1)
    lines[5] = b'",'.join(lines[5].rsplit(b",", 1))
    return b"\n".join(lines)


def trailing_commas(clean: bytes) -> bytes:
    header, rows = clean.split(b"\n", 1)
    return header + b"\n" + rows.replace(b"\n", b",\n")


def quoted_and_cut(clean: bytes) -> bytes:
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
UNREADABLE = "pixels: not whole numbers separated by blanks"
NO_LABEL = "emotion: not a label of course (0..4, or a class name)"
NO_NUMBER = "coordinates: a cell is not a number"
NO_USAGE = "Usage: not one of Training, PublicTest, PrivateTest"
NO_CSV = "export it as UTF-8 CSV"
E, K = "emotion", "keypoints"

KINDS = [
    # pixels
    aside("2,303 pixels", E, cells(pixels=cut), "pixels: not 2304 values"),
    aside("2,305 pixels", E, cells(pixels="7 {}".format), "pixels: not 2304 values"),
    aside("9,215 pixels", K, cells(Image=cut), "Image: not 9216 values"),
    aside("3 million pixels", E, cells(pixels="7 " * 3_000_000), "pixels: not 2304 values", "every value the same"),
    aside("a pixel under 0", E, cells(pixels=swap(" ", " -")), "pixels: a value under 0"),
    aside("a pixel of 256", E, cells(pixels=lambda text: "256 " + cut(text)), "pixels: a value over 255"),
    aside("a pixel that fits no integer", E, cells(pixels=lambda text: "9" * 25 + " " + cut(text)), UNREADABLE),
    aside("float pixels", E, cells(pixels=swap(" ", ".0 ", -1)), UNREADABLE),
    aside("one float pixel", K, cells(Image=swap(" ", ".5 ")), "Image: not whole numbers"),
    aside("pixels between commas", E, cells(pixels=swap(" ", ",", -1)), UNREADABLE),
    aside("a no-break space", E, cells(pixels=swap(" ", "\u00a0")), UNREADABLE),
    aside("NUL in the pixels", E, cells(pixels=swap(" ", "\0 ")), UNREADABLE),
    aside("NUL after the pixels", E, cells(pixels="{}\0".format), UNREADABLE),
    aside("an empty pixel cell", E, cells(pixels=""), UNREADABLE),
    aside(
        "a constant image",
        E,
        cells(pixels=flat(9, 9, 0, 2304)),
        "(nearly) every value the same, deviation under 2 grey",
    ),
    aside("a nearly constant image", E, cells(pixels=flat(90, 92, 999, 2304)), "pixels: (nearly) every value the same"),
    aside("a constant larger image", K, cells(Image=flat(0, 255, 0, 9216)), "Image: (nearly) every value the same"),
    fine("double blanks", E, cells(pixels=swap(" ", "  ", 9))),
    fine("tabs and leading zeros", E, cells(pixels=lambda text: "\t00" + text.replace(" ", "\t", 9))),
    # labels and Usage
    aside("an empty label", E, cells(emotion=""), NO_LABEL),
    aside("a label in unknown words", E, cells(emotion="joy"), NO_LABEL),
    aside("a label of 1.5", E, cells(emotion="1.5"), NO_LABEL),
    aside("a label of 9", E, cells(emotion="9"), NO_LABEL),
    aside("a label of -1", E, cells(emotion="-1"), NO_LABEL),
    aside("NUL in the label", E, cells(emotion="{}\0".format), NO_LABEL),
    aside("an unknown Usage", E, cells(Usage="Holdout"), NO_USAGE),
    aside("an empty Usage", E, cells(Usage=""), NO_USAGE),
    aside("everything wrong", E, cells(emotion="9", pixels="300 -1"), NO_LABEL, "under 0", "over 255", "not 2304"),
    error(
        "labels 5 and 6",
        E,
        labels(lambda row: row + 5 if row < 2 else row % 5),
        "a label 5 or 6 or fear or neutral, which course has not (2 rows, first row 1)",
        "declare the numbering of this file in validate.emotion.label_set",
    ),
    error(
        "a class is missing",
        E,
        labels(lambda row: row % 4),
        "share of surprise outside 0.005..0.6 (0 found)",
        "declare other bounds in validate.emotion.class_share, or another label_set",
    ),
    error(
        "a class overwhelms",
        E,
        labels(lambda row: row % 5 if row % 15 < 5 else 3),
        "share of happiness outside 0.005..0.6 (0.7333 found)",
        "class_share",
    ),
    # coordinates
    aside("a coordinate of -1", K, cells(nose_tip_x="-1"), "coordinates: a value under 0, outside the image"),
    aside("a coordinate of 97", K, cells(nose_tip_y="97"), "coordinates: a value over 96, outside the image"),
    aside("a coordinate in words", K, cells(nose_tip_x="left"), NO_NUMBER),
    aside("a coordinate called NaN", K, cells(nose_tip_x="NaN"), NO_NUMBER),
    aside("an endless coordinate", K, cells(nose_tip_x="inf"), NO_NUMBER),
    aside("a decimal comma", K, cells(nose_tip_x="50,2"), NO_NUMBER),
    aside("x and no y", K, cells(nose_tip_y=""), "coordinates: a point has one of x and y, not both"),
    aside("no point labelled", K, cells(**dict.fromkeys(COORDINATES, "")), "coordinates: no point is labelled"),
    aside("eyes 2 px apart", K, cells(**NEAR_EYES), "coordinates: eyes not 10 to 80 px apart"),
    aside("one face's eyes swapped", K, cells(left_eye_center_x="30", right_eye_center_x="66"), "left eye not to the"),
    error(
        "the eyes' columns swapped",
        K,
        table(lambda clean: clean.rename(columns=EYE_COLUMNS)),
        "30 of 30 rows (100.0%) are bad",
        "coordinates: left eye not to the right of the right eye",
        "mend them",
    ),
    error(
        "a point hardly ever labelled",
        K,
        table(lambda clean: clean.assign(nose_tip_x="", nose_tip_y="")),
        "coordinates: nose_tip is missing in more than 80% of the rows",
        "raise validate.keypoints.max_missing",
    ),
    # lines
    aside("a line with fewer cells", E, line(lambda old: [old["emotion"]]), UNREADABLE, NO_USAGE),
    aside("a line with a cell less", K, line(lambda old: [*old.values()][:-1]), "Image: not whole numbers"),
    aside("an empty line", E, line(lambda old: []), UNREADABLE, NO_USAGE, NO_LABEL),
    aside("the header again", E, line(lambda old: [*old]), UNREADABLE, NO_USAGE, NO_LABEL),
    aside(
        "the header again, BOM and all",
        E,
        line(lambda old: ["\ufeffemotion", *[*old][1:]]),
        UNREADABLE,
        NO_USAGE,
        NO_LABEL,
    ),
    aside("the end cut off in a row", E, content(lambda clean: clean[:-3000]), "pixels: not 2304 values"),
    aside(
        "the end cut off after a label", E, content(lambda clean: clean[: clean.rindex(b"\n", 0, -1) + 2]), UNREADABLE
    ),
    aside("two stray quotes", E, content(swallowing), UNREADABLE),
    error("the end cut off in quotes", E, content(quoted_and_cut), "EOF inside string", "mend it"),
    error(
        "a line with a cell more", E, content(swap_bytes(b"\n3,", b"\n3,1,")), "Expected 3 fields in line 5", "mend it"
    ),
    error("a comma after every line", E, content(trailing_commas), "a row has more cells than the header", "mend it"),
    # files
    fine("a byte-order mark", E, content(lambda clean: b"\xef\xbb\xbf" + clean)),
    fine("CRLF", E, content(swap_bytes(b"\n", b"\r\n", -1))),
    fine("CR alone", E, content(swap_bytes(b"\n", b"\r", -1))),
    fine("no line end at the end", K, content(bytes.rstrip)),
    error("semicolons", E, content(swap_bytes(b",", b";", -1)), "no column emotion, pixels", "by commas, not by ';'"),
    error("tabs", K, content(swap_bytes(b",", b"\t", -1)), "found left_eye_center_x", "by commas, not by '\\t'"),
    error("UTF-16", E, content(lambda clean: clean.decode().encode("utf-16")), "not readable as CSV text", NO_CSV),
    error("UTF-16 without a mark", E, content(lambda clean: clean.decode().encode("utf-16-le")), "no column emotion"),
    error("Latin-1", E, content(swap_bytes(b"Training", b"Entra\xeenement")), "not readable as CSV text", NO_CSV),
    error("Latin-1 at the end", K, content(lambda clean: clean + b"\xe9"), "after row 0: not readable as", NO_CSV),
    error(
        "a column twice", E, content(swap_bytes(b"Usage", b"pixels")), "column pixels stands there twice", "remove one"
    ),
    error(
        "Usage twice",
        E,
        table(lambda clean: clean.assign(usage="").rename(columns={"usage": " Usage"})),
        "column Usage stands there twice",
        "remove one",
    ),
    error(
        "columns swapped",
        E,
        table(lambda clean: clean.rename(columns={"emotion": "pixels", "pixels": "emotion"})),
        "60 of 60 rows (100.0%) are bad",
        "mend them",
        NO_LABEL,
        "pixels: not 2304 values",
    ),
    error(
        "no header", E, content(lambda clean: clean.split(b"\n", 1)[1]), "no column emotion, pixels; found 0, ", "add"
    ),
    error("the header alone", E, content(lambda clean: clean.split(b"\n")[0] + b"\n"), "no row", "rows are needed"),
    error("no rows but blank lines", E, content(lambda clean: b"emotion,pixels" + b"\n" * 13), "12 of 12 rows", "mend"),
    error(
        "a blank line first", K, content(lambda clean: b"\r\n" + clean), "or its first line", "a header and rows are"
    ),
    error("an empty file", E, content(lambda clean: b""), "the file is empty", "a header and rows are needed"),
    error("too few rows", E, table(lambda clean: clean[:9]), "fewer than 10 rows (9 found)", "give a larger table"),
    error("the other head's table", K, content(lambda clean: as_csv(CLEAN["emotion"])), "no column", "found emotion, "),
    error("a picture", E, content(lambda clean: PNG), "not readable as CSV text", NO_CSV),
    error("a page", E, content(lambda clean: b"<html><p>Sign in, please</p>"), "no column emotion", "add or rename"),
    error(
        "no such file", E, Broken("source", lambda place: str(place / "absent.csv")), "no such file", "correct the path"
    ),
    error("a folder of key points", K, folder("a/b/1.png"), "this is not a file", "name the CSV itself"),
    # archives
    error(
        "gzip cut off", E, content(lambda clean: gzip.compress(clean)[:-2000]), "cannot be unpacked", "fetch it again"
    ),
    error("gzip of a tar", E, content(tarred), "a tar archive", "unpack it and name the CSV in it"),
    error("gzip of a few bytes", E, content(lambda clean: b"\x1f\x8b\x08"), "cannot be unpacked", "fetch it again"),
    error(
        "gzip spoilt", E, content(lambda clean: gzip.compress(clean)[:10] + b"\xff" * 99), "cannot be unpacked", "fetch"
    ),
    error(
        "gzip of noise", E, content(lambda clean: gzip.compress(bytes(range(128, 256)))), "not readable as CSV", NO_CSV
    ),
    error("gzip of gzip", E, content(lambda clean: gzip.compress(gzip.compress(clean))), "not readable as CSV", NO_CSV),
    error("gzip and more", E, content(lambda clean: gzip.compress(clean) + b"more"), "cannot be unpacked", "fetch it"),
    error(
        "zip of another check sum",
        E,
        zipped(swap_bytes(b",Training\n", b",training\n")),
        "Bad CRC-32",
        "fetch it again",
    ),
    error("zip cut off", E, zipped(lambda archive: archive[:-100]), "cannot be unpacked", "fetch it again"),
    error("zip of two CSVs", E, zipped(names=["a.csv", "b.csv"]), "one CSV is needed", "a.csv, b.csv", "unpack it"),
    error("zip of no CSV", E, zipped(names=["a.txt"]), "one CSV is needed", "found none", "unpack it and name the CSV"),
    error("zip of nothing", E, zipped(names=[]), "one CSV is needed", "found none", "unpack it and name the CSV"),
    error("zip with a password", E, zipped(zip_field(6, 1)), "encrypted", "unpack it yourself"),
    error("zip of an unknown method", E, zipped(zip_field(8, 99)), "compression method", "unpack it yourself"),
    # trees
    error("an empty folder", E, folder(), "no picture in it", "<part>/<class name>/*.png or *.jpg is needed"),
    error("a folder of CSVs", E, folder("train.csv"), "no picture in it", "<part>/<class name>/*.png"),
    error(
        "a folder of no class",
        E,
        tree_with("train/joy/1.png", PNG),
        "train/joy/1.png",
        "joy names no class",
        "rename it",
    ),
    error("a folder of a code", E, tree_with("train/3/1.png", PNG), "the folder 3 names no class", "rename it"),
    error("a folder of no part", E, tree_with("extra/happy/1.png", PNG), "extra names no part", "rename it train, "),
    error(
        "a picture in no class", E, tree_with("happy/1.png", PNG), "does not stand in <part>/<class name>/", "move it"
    ),
    aside("text called .png", E, tree_with("train/happy/0.png", b"no picture"), UNREADABLE),
    aside("nothing called .jpg", E, tree_with("train/happy/0.jpg", b""), UNREADABLE),
    aside("a picture cut off", E, tree_with("train/happy/0.png", PNG[:-30]), UNREADABLE),
    aside("a picture of 50 x 50", E, tree_with("train/happy/0.png", LARGE), UNREADABLE),
    aside("a picture of absurd size", E, tree_with("train/happy/0.png", ABSURD), UNREADABLE),
    aside("a picture of 24 x 96", E, tree_with("train/happy/0.png", WIDE), UNREADABLE),
    aside("a name that is no text", E, tree_with("train/happy/caf\udce9.png", b"no picture"), UNREADABLE),
]


def lines_broken(head: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.head == head and kind.broken.where == "line"]


def lines_of(head: str) -> list[list[str]]:
    """The clean table's lines, its first ones broken in each way."""
    kinds, lines = lines_broken(head), CLEAN[head].to_dict("records")
    assert len(kinds) < 0.8 * len(lines)
    return [list(kind.broken.change(old)) for kind, old in zip(kinds, lines, strict=False)] + [
        list(old.values()) for old in lines[len(kinds) :]
    ]


def write_lines_broken(head: str, place: Path) -> str:
    with (place / "mine.csv").open("w", newline="", encoding="utf-8") as text:
        csv.writer(text, lineterminator="\n").writerows([[*CLEAN[head]], *lines_of(head)])
    return str(place / "mine.csv")


@cache
def all_lines_broken(head: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What becomes of them: one run for all, for Great Expectations takes its time."""
    with TemporaryDirectory() as place:
        return counted(head, write_lines_broken(head, Path(place)), Path(place))


def counted(head: str, source: str, place: Path, label_set: str = "course") -> tuple[pd.DataFrame, pd.DataFrame]:
    """The valid and the quarantined rows; together they are those that Python's own reader finds."""
    valid, bad = through(head, source, place, rules(label_set, max_quarantined=0.9))
    with (place / "raw" / f"{head}.csv").open(newline="", encoding="utf-8-sig") as text:
        rows = len(list(csv.reader(text))) - 1
    assert sorted([*valid["row"], *bad["row"].astype(int)]) == list(range(1, rows + 1))
    assert bad["reasons"].all()
    return valid, bad


def put(kind: Kind, place: Path) -> str:
    """The broken table, or what stands in its place."""
    if kind.broken.where in ("source", "tree"):
        return kind.broken.change(place)
    (place / "mine.csv").write_bytes(kind.broken.change(as_csv(CLEAN[kind.head])))
    return str(place / "mine.csv")


def kinds(where: str, outcome: str) -> pytest.MarkDecorator:
    chosen = [kind for kind in KINDS if (kind.broken.where == "line") == (where == "line") and kind.outcome == outcome]
    return pytest.mark.parametrize("kind", chosen, ids=[f"{kind.head}: {kind.name}" for kind in chosen])


@kinds("line", "aside")
def test_a_broken_row_is_set_aside_as_it_stood(kind: Kind) -> None:
    _, bad = all_lines_broken(kind.head)
    number = lines_broken(kind.head).index(kind)
    (row,) = bad[bad["row"] == str(number + 1)].to_dict("records")
    assert all(said in row["reasons"] for said in kind.said), row["reasons"]
    assert len(row["reasons"].split("; ")) == len(kind.said), row["reasons"]
    stood = lines_of(kind.head)[number]
    assert list(row.values())[2:] == stood + [""] * (len(row) - 2 - len(stood))


@pytest.mark.parametrize("head", CLEAN)
def test_only_broken_rows_are_set_aside_and_the_others_are_read(head: str) -> None:
    valid, bad = all_lines_broken(head)
    expected = [n + 1 for n, kind in enumerate(lines_broken(head)) if kind.outcome == "aside"]
    assert bad["row"].astype(int).tolist() == expected
    sound = valid["row"].to_numpy() - 1
    assert images_of(valid) == values_of(CLEAN[head][PIXELS[head]].iloc[sound])


@kinds("file", "aside")
def test_a_broken_end_or_picture_is_one_row_aside(kind: Kind, tmp_path: Path) -> None:
    label_set = "fer2013" if kind.broken.where == "tree" else "course"
    valid, bad = counted(kind.head, put(kind, tmp_path), tmp_path, label_set)
    (reasons,) = bad["reasons"]
    assert all(said in reasons for said in kind.said), reasons
    assert len(valid) >= 40


@kinds("file", "fine")
def test_a_table_that_looks_odd_reads_as_ever(kind: Kind, tmp_path: Path) -> None:
    valid, bad = counted(kind.head, put(kind, tmp_path), tmp_path)
    assert len(bad) == 0
    assert images_of(valid) == values_of(CLEAN[kind.head][PIXELS[kind.head]])


@kinds("file", "error")
def test_a_broken_table_is_named_and_so_is_the_remedy(kind: Kind, tmp_path: Path) -> None:
    source = put(kind, tmp_path)
    with pytest.raises(InputError) as caught:
        through(kind.head, source, tmp_path, rules())
    message = str(caught.value)
    raw = tmp_path / "raw" / f"{kind.head}.csv"
    assert message.startswith(source) or message.startswith(str(raw))
    assert all(said in message for said in kind.said), message
    assert len(message) < 1500
    left = {path.name for path in tmp_path.rglob("*")}
    assert not [name for name in left if name.startswith(".") or name.endswith(".parquet")]
    # What can be mended stands in the quarantine, also where the table is refused.
    assert (f"{kind.head}-aside.csv" in left) == ("cannot be used" in message)


def test_there_are_at_least_35_kinds() -> None:
    assert len({(kind.head, kind.name) for kind in KINDS}) == len(KINDS) >= 35


def made(project: Path) -> list[str]:
    """What stages have written, temporary files too, but for the documents of Great Expectations."""
    files = [path for name in ("data", "reports") for path in (project / name).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(project)) for path in files if "docs" not in path.parts)


def test_the_command_line_says_what_is_wrong_and_leaves_what_can_be_mended(project: Path, run: Run) -> None:
    """From a download cut off, over a table with too many bad rows, to its quarantine, mended and fed in again."""
    (project / "mine").mkdir()
    (project / "mine/keypoints.csv").write_bytes(as_csv(keypoint_rows(60)))
    clean = emotion_rows(COURSE, 80)
    broken = as_csv(clean.assign(pixels=clean["pixels"].where(clean.index >= 60, "1 2 3")))
    (project / "mine/emotion.csv.gz").write_bytes(gzip.compress(broken)[:-2000])
    set_params(project, ingest__keypoints="mine/keypoints.csv", ingest__emotion="mine/emotion.csv.gz")

    def fails(stage: str) -> str:
        done = run("python", "-m", f"flows.{stage}", check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert f"{stage} cannot be done" in done.stderr
        return done.stderr

    message = fails("ingest")
    assert "mine/emotion.csv.gz: cannot be unpacked" in message
    assert "fetch it again" in message
    assert made(project) == ["data/raw/keypoints.csv"]

    (project / "mine/emotion.csv.gz").write_bytes(gzip.compress(broken))
    run("python", "-m", "flows.ingest")
    assert (project / "data/raw/emotion.csv").read_bytes() == broken
    message = fails("validate")
    assert "60 of 80 rows (75.0%) are bad" in message
    assert "mend them in a copy of data/quarantine/emotion.csv" in message
    assert [name for name in made(project) if "emotion" in name] == [
        *("data/quarantine/emotion.csv", "data/raw/emotion.csv", "reports/validation/emotion.json")
    ]
    assert not [name for name in made(project) if "/." in name]

    aside = pd.read_csv(project / "data/quarantine/emotion.csv", dtype=str)
    assert aside["row"].tolist() == [str(row) for row in range(1, 61)]
    aside.assign(pixels=clean["pixels"][:60]).to_csv(project / "mine/mended.csv", index=False)
    set_params(project, ingest__emotion="mine/mended.csv")
    for stage in ("ingest", "validate"):
        run("python", "-m", f"flows.{stage}")
    valid = pd.read_parquet(project / "data/valid/emotion.parquet")
    assert images_of(valid) == values_of(clean["pixels"][:60])
    assert valid["emotion"].tolist() == [COURSE[int(code)] for code in clean["emotion"][:60]]


@pytest.mark.parametrize("head", CLEAN)
@pytest.mark.parametrize("rows", [1, 7, 29])
def test_chunks_change_nothing_and_none_is_longer(
    head: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither text nor pixels are ever held as a whole; and a chunk may hold no good row, or no bad one."""
    expected = all_lines_broken(head)
    lengths: list[int] = []

    def watched(real: Callable) -> Callable:
        def call(rows: Sequence, *rest: object) -> object:
            lengths.append(len(rows))
            return real(rows, *rest)

        return call

    for name in ("emotion_facts", "keypoint_facts", "decode_images"):
        monkeypatch.setattr(validation, name, watched(getattr(validation, name)))
    monkeypatch.setattr(raw_csv, "CHUNK_ROWS", rows)
    valid, bad = counted(head, write_lines_broken(head, tmp_path), tmp_path)
    pd.testing.assert_frame_equal(valid, expected[0])
    pd.testing.assert_frame_equal(bad, expected[1])
    assert max(lengths) == rows
    assert sum(lengths) == 2 * len(CLEAN[head]) - len(bad)
