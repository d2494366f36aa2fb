"""Sources are read by their content: any kind under any name, for training and for scoring alike."""

import gzip
import io
import os
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import params
import tasks.readers.image_folder
import tasks.readers.layouts
import tasks.readers.sources
from tasks.common.errors import UnreadableInput
from tasks.common.files import InputError
from tasks.data.ingestion import bring_in
from tasks.readers.records import FROM_HERE, Record, count_records, read_records
from tasks.readers.sources import content_of, find_sources, require_outside
from tasks.scoring.face_crops import crop_faces, load_image
from tests.conftest import ROOT
from tests.data.test_ingestion import a_zip
from tests.readers.bombs import GREY, encoded

SCORE = params.load(ROOT).score
PNG = encoded(GREY, "PNG")
TABLE = b"emotion,pixels\n3," + b" ".join([b"7", b"90"] * 1152) + b"\n"


def parquet() -> bytes:
    content = io.BytesIO()
    pd.DataFrame({"image": [PNG, PNG]}).to_parquet(content)
    return content.getvalue()


def split() -> bytes:
    content = io.BytesIO()
    np.savez(content, images=np.asarray(GREY)[None], rows=np.array([9]))
    return content.getvalue()


def database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table a (b)")
        return connection.serialize()


READ: dict[str, tuple[bytes, int]] = {
    "a picture": (PNG, 1),
    "a CSV": (TABLE + TABLE.splitlines()[1] + b"\n", 2),
    "a CSV with a quoted header": (b'"emotion","pixels"\n' + TABLE.splitlines()[1], 1),
    "a gzip": (gzip.compress(TABLE), 1),
    "a zip of a CSV": (a_zip(**{"a.csv": TABLE, "notes.txt": b""}), 1),
    "a zip of pictures": (a_zip(**{"train/1.png": PNG, "2.jpg": PNG, ".hidden.png": PNG, "labels.csv": b"a,b\n"}), 3),
    "Parquet": (parquet(), 2),
    "a prepared split": (split(), 1),
}


@pytest.mark.parametrize("name", ["faces", "faces.png", "faces.csv", "faces.parquet", "faces.npz", "faces.zip"])
@pytest.mark.parametrize("kind", READ)
def test_a_source_is_scored_under_any_name(tmp_path: Path, kind: str, name: str) -> None:
    content, count = READ[kind]
    (tmp_path / name).write_bytes(content)
    records = list(read_records(str(tmp_path / name)))
    assert len(records) == count
    crops = crop_faces(records, "whole", SCORE)
    assert len(crops.detections) + len(crops.skipped) == count
    assert crops.skipped["source"].tolist() == (
        [str(tmp_path / name / "labels.csv")] if kind == "a zip of pictures" else []
    )
    if not name.endswith(".png"):
        assert count_records(str(tmp_path / name)) == count


REFUSED: dict[str, tuple[bytes, str]] = {
    "a login page": (
        b"<!doctype html><title>Log in</title>",
        r'is a web page \("Log in"\).*download the file in a brow',
    ),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "is a Git LFS pointer, .*`git lfs pull`",
    ),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7z archive, .*unpack it and name what it holds"),
    "rar": (b"Rar!\x1a\x07\1\0", "is a rar archive, .*unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\0", "is packed with zstd, .*unpack it"),
    "lz4": (b"\x04\x22\x4d\x18\x60", "is packed with lz4, .*unpack it"),
    "xlsx": (
        a_zip(**{"_rels/.rels": b"", "[Content_Types].xml": b"", "xl/media/image1.png": PNG}),
        "is an Office document .*export its sheet as CSV",
    ),
    "ods": (
        a_zip(**{"mimetype": b"", "META-INF/manifest.xml": b"", "Thumbnails/1.png": PNG}),
        "is an OpenDocument file",
    ),
    "numbers": (a_zip(**{"Index/Document.iwa": b"", "preview.jpg": PNG}), "is a Numbers document, .*export its sheet"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old Office document .*export its sheet"),
    "pickle": (b"\x80\x04\x95\x05\0\0\0", "is a Python pickle, .*never opened: save the data as CSV"),
    "npy": (b"\x93NUMPY\1\0v\0", r"is a NumPy array \(npy\), .*save the data as CSV"),
    "mat": (b"MATLAB 5.0 MAT-file, Platform", r"is a MATLAB file \(mat\), .*save the data as CSV"),
    "h5": (b"\x89HDF\r\n\x1a\n\0", r"is an HDF5 file \(h5\), .*save the data as CSV"),
    "json": (b'{\n  "pixels": []}', "is JSON, .*save the data as CSV"),
    "jsonl": (b'{"pixels": [1]}\n{"pixels": [2]}\n', "is JSON, .*save the data as CSV"),
    "PDF": (b"%PDF-1.7\n", "is a PDF document, .*save its pictures as png or jpg"),
    "SQLite": (database(), "is an SQLite database, .*save the data as CSV"),
    "a video": (b"\0\0\1\xba\0\0\0\0", "is a video, .*save its frames"),
}


@pytest.mark.parametrize("name", ["mine", "mine.csv", "mine.jpg", "mine.zip"])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_kind_that_is_not_read_is_named_with_the_remedy(tmp_path: Path, kind: str, name: str) -> None:
    content, message = REFUSED[kind]
    path = tmp_path / name
    path.write_bytes(content)
    for model_name in params.MODELS:
        with pytest.raises(InputError, match=rf"^{path}: {message}"):
            bring_in(model_name, str(path), tmp_path / "out.csv")
    (record,) = read_records(str(path))
    assert record.row == 0
    with pytest.raises(UnreadableInput, match=rf"^{message}"):
        load_image(record, SCORE)
    assert count_records(str(path)) == 1


@pytest.mark.parametrize("bad", [b'3,"1 2\n', b"3,1,2\n"])
@pytest.mark.parametrize("folder", ["", "./", ".//"])
def test_a_reason_does_not_repeat_the_name_and_says_from_which_row_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, bad: bytes
) -> None:
    """A file of one letter, which is also in every message."""
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(TABLE + TABLE.splitlines(keepends=True)[1] * 299 + bad)
    *rows, last = read_records(f"{folder}a")
    assert len(rows) == 200
    assert all(isinstance(row.content, np.ndarray) for row in rows)
    assert last.row == 201
    assert str(last.content).startswith(f"{FROM_HERE}row 301: ")
    Path("a").write_bytes(b"a,pixels\nx.png,y.png\n")
    (only,) = read_records(f"{folder}a")
    assert only.row == 0
    assert str(only.content).startswith("its column a holds names of image files, ")


def tree(folder: Path) -> dict[str, str | None]:
    """A training folder with everything that people leave in one; by file, its pixels in words, or None if left out."""
    files: dict[str, tuple[bytes, str | None]] = {
        "train/happy/1.png": (PNG, "read"),
        "train/happy/2": (PNG, "read"),
        "train/happy/3.webp": (encoded(GREY, "WEBP"), "read"),
        "train/happy/empty.png": (b"", "set aside"),
        "train/happy/cut.png": (PNG[:200], "set aside"),
        "train/happy/page.jpg": (b"<!doctype html>", "set aside"),
        "train/happy/.gitkeep": (b"", None),
        "train/happy/Thumbs.db": (b"x", None),
        "train/README.md": (b"# faces", None),
        "labels.csv": (b"file,label\n", None),
        "__MACOSX/train/happy/._1.png": (b"x", None),
        ".git/config": (b"x", None),
    }
    for name, (content, _) in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {name: outcome for name, (_, outcome) in files.items()}


def zipped(folder: Path) -> Path:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return folder.with_suffix(".zip")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    for module in (tasks.readers.image_folder, tasks.readers.layouts, tasks.readers.sources):
        monkeypatch.setattr(module, "log", lines.append)
    return lines


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_every_file_of_a_training_folder_is_read_set_aside_or_left_out(
    tmp_path: Path, pack: Callable[[Path], Path], logged: list[str]
) -> None:
    expected = tree(tmp_path / "in")
    source = pack(tmp_path / "in")
    table = pd.read_csv(bring_in("emotion", str(source), tmp_path / "raw.csv"), keep_default_na=False)
    outcomes = {
        name: "read" if len(pixels.split()) == 2304 else "set aside"
        for name, pixels in zip(table["file"], table["pixels"], strict=True)
    }
    assert outcomes == {name: outcome for name, outcome in expected.items() if outcome}
    (line,) = (line for line in logged if "left out: " in line)
    assert "2 other than pictures (labels.csv, train/README.md)" in line
    assert "4 hidden or metadata of the system (" in line


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_every_file_of_a_folder_to_score_is_a_record_or_left_out(
    tmp_path: Path, pack: Callable[[Path], Path], logged: list[str]
) -> None:
    expected = tree(tmp_path / "in")
    source = pack(tmp_path / "in")
    sources, left_out = find_sources([str(source)])
    records = [record for name in sources for record in read_records(name)]
    shown = {name for name in expected if not any(part in name for part in ("__MACOSX", "Thumbs", "/.", ".git"))}
    assert {Path(record.source).relative_to(source).as_posix() for record in records} == shown
    assert all(record.row == 0 for record in records)
    crops = crop_faces(records, "whole", SCORE)
    read = {Path(name).relative_to(source).as_posix() for name in crops.detections["source"]}
    assert read == {name for name, outcome in expected.items() if outcome == "read"}
    assert set(crops.skipped["source"]) == {record.source for record in records} - set(crops.detections["source"])
    (line,) = (line for line in logged if "left out: " in line)
    assert "hidden or metadata of the system (" in line
    assert source.suffix or line == f"left out: {left_out}"


def test_a_picture_in_a_zip_is_read_again_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(a_zip(**{"b/1.png": PNG, "2.png": b"x"}))
    first, second = read_records(str(tmp_path / "a.zip"))
    assert first == Record(f"{tmp_path}/a.zip/2.png", 0, b"x")
    assert content_of(second.source) == PNG
    with pytest.raises(UnreadableInput, match="no item named"):
        content_of(f"{tmp_path}/a.zip/absent.png")


BESIDE = {
    "labels in Latin-1": ("labels.csv", "name,label\n1.png,gl\u00fccklich\n".encode("latin-1")),
    "empty labels": ("labels.csv", b""),
    "labels of one row too large": ("labels.csv", b"a,b\n" + b"7" * 2**25),
    "labels as an array": ("labels.npy", b"\x93NUMPY\1\0v\0"),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_no_file_beside_the_pictures_of_a_zip_hides_them(tmp_path: Path, kind: str) -> None:
    name, content = BESIDE[kind]
    picture = "train/happy/1.png"
    (tmp_path / "a.zip").write_bytes(a_zip(**{name: content, picture: PNG}))
    records = {record.source: record for record in read_records(str(tmp_path / "a.zip"))}
    assert records.keys() == {f"{tmp_path}/a.zip/{name}", f"{tmp_path}/a.zip/{picture}"}
    assert records[f"{tmp_path}/a.zip/{picture}"].content == PNG
    assert count_records(str(tmp_path / "a.zip")) == 2
    raw = bring_in("emotion", str(tmp_path / "a.zip"), tmp_path / "raw.csv")
    assert pd.read_csv(raw)["file"].tolist() == [picture]


def test_an_array_beside_the_only_table_of_a_zip_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(a_zip(**{"fer.csv": TABLE, "x.npy": b"\x93NUMPY\1\0v\0"}))
    assert [record.row for record in read_records(str(tmp_path / "a.zip"))] == [1]
    assert bring_in("emotion", str(tmp_path / "a.zip"), tmp_path / "raw.csv").read_bytes() == TABLE


@pytest.mark.parametrize("header", [b"Label,Pixels", b"label, IMG", b"\xef\xbb\xbfPixels,label", b'"Images"'])
def test_a_table_under_any_name_is_known_by_a_usual_name_of_its_pixels(tmp_path: Path, header: bytes) -> None:
    cells = {b"label": b"3"}
    row = b",".join(cells.get(name.strip(), b" ".join([b"7"] * 2304)) for name in header.lower().split(b","))
    (tmp_path / "faces.txt").write_bytes(header + b"\n" + row + b"\n")
    (record,) = read_records(str(tmp_path / "faces.txt"))
    assert record.row == 1
    assert isinstance(record.content, np.ndarray)


@pytest.mark.parametrize("mark", [b"\t", b";", b"|"])
def test_a_table_with_other_marks_under_any_name_is_named(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "faces.tsv").write_bytes(TABLE.replace(b",", mark))
    (record,) = read_records(str(tmp_path / "faces.tsv"))
    assert f"separate the cells by commas, not by {mark.decode()!r}" in str(record.content)


def test_links_in_a_zip_are_left_out(tmp_path: Path, logged: list[str]) -> None:
    link = zipfile.ZipInfo("train/happy/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train/happy/1.png", PNG)
        archive.writestr(link, "/etc/hostname")
    assert [record.content for record in read_records(str(tmp_path / "a.zip"))] == [PNG]
    left_out = "left out: 1 linked, which is not followed in an archive (train/happy/link.png)"
    assert left_out in logged[-1]
    raw = bring_in("emotion", str(tmp_path / "a.zip"), tmp_path / "raw.csv")
    assert pd.read_csv(raw)["file"].tolist() == ["train/happy/1.png"]


def test_parquet_shards_in_a_zip_to_score_are_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(a_zip(**{f"data/{number}.parquet": parquet() for number in range(2)}))
    (record,) = read_records(str(tmp_path / "a.zip"))
    assert str(record.content).endswith("0.parquet, data/1.parquet; unpack it and name the folder of its Parquet files")


def test_pictures_of_a_zip_that_cannot_be_read_are_skipped_one_by_one(tmp_path: Path) -> None:
    content = bytearray(a_zip(**{"1.png": PNG, "2.png": PNG, "3.png": PNG}))
    content[content.index(PNG) + 60] ^= 1
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(mark) + offset] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    first, second, third = read_records(str(tmp_path / "a.zip"))
    assert str(first.content).startswith("cannot be unpacked (Bad CRC-32")
    assert second.content == PNG
    assert third.content == "cannot be unpacked (3.png is encrypted); unpack it yourself"


def test_a_corrupt_file_of_a_training_zip_is_set_aside_or_left_out(tmp_path: Path, logged: list[str]) -> None:
    content = bytearray(a_zip(**{"train/happy/1.png": PNG, "train/happy/2.png": PNG, "README": b"about these faces"}))
    for part in (PNG, b"about these faces"):
        content[content.index(part) + 10] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    table = pd.read_csv(bring_in("emotion", str(tmp_path / "a.zip"), tmp_path / "raw.csv"), keep_default_na=False)
    assert table.loc[table["pixels"] == "", "file"].tolist() == ["train/happy/1.png"]
    assert len(table) == 2
    assert any("1 other than pictures (README)" in line for line in logged)


def test_what_is_given_twice_is_scored_once_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/1.png", "in/b/2.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(PNG)
    assert find_sources(["in/1.png", "./in", str(tmp_path / "in/b"), "in/**"])[0] == ["in/1.png", "./in/b/2.png"]
    assert logged == [
        "./in: 1 source was given before, and is scored once",
        f"{tmp_path}/in/b: 1 source was given before, and is scored once",
        "in/**: 2 sources were given before, and are scored once",
    ]


def nothing_in(folder: Path) -> dict[str, tuple[list[str], str]]:
    for name in ("empty", "hidden", "full"):
        (folder / name).mkdir()
    (folder / "hidden/.a.png").write_bytes(PNG)
    (folder / "hidden/Thumbs.db").write_bytes(b"x")
    hidden = rf"left out: 2 hidden .*\({folder}/hidden/.a.png, {folder}/hidden/Thumbs.db\); name such a file itself"
    return {
        "an empty folder": ([f"{folder}/empty"], "empty: no file found to score; correct the path"),
        "a folder of hidden files": ([f"{folder}/hidden"], f"hidden: no file found to score; {hidden}"),
        "a pattern of hidden files": ([f"{folder}/hidden/*.png"], r"\*.png: no file matches \(a hidden one only if"),
        "a pattern of a folder of them": ([f"{folder}/h*"], f"no file found to score; {hidden}"),
        "a pattern that matches nothing": ([f"{folder}/*.jpg"], r"\*.jpg: no file matches .*; correct the pattern"),
        "nothing": ([], "nothing: no file found to score"),
    }


@pytest.mark.parametrize("kind", range(6))
def test_sources_without_a_file_are_an_error_that_says_why(tmp_path: Path, kind: int) -> None:
    given, message = list(nothing_in(tmp_path).values())[kind]
    with pytest.raises(InputError, match=message):
        find_sources(given)


def test_an_empty_folder_among_others_is_said_and_a_hidden_file_may_be_named(tmp_path: Path, logged: list[str]) -> None:
    nothing_in(tmp_path)
    named = f"{tmp_path}/hidden/.a.png"
    assert find_sources([f"{tmp_path}/empty", named])[0] == [named]
    assert logged == [f"{tmp_path}/empty: no file found to score"]


def test_the_output_is_not_inside_a_folder_that_a_link_leads_to(tmp_path: Path) -> None:
    for name in ("in", "elsewhere/out", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"out: is inside .*/in, so the next run would score it too"):
        require_outside(tmp_path / "elsewhere/out", [str(tmp_path / "in")])
    require_outside(tmp_path / "other/out", [str(tmp_path / "in")])


def test_a_file_that_may_not_be_read_is_skipped_and_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in/train/happy"
    folder.mkdir(parents=True)
    for name in ("1.png", "closed.png", "closed.csv"):
        (folder / name).write_bytes(PNG)
    original = Path.open

    def opened(self: Path, *args: object, **options: object) -> object:
        if self.stem == "closed":
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opened)
    records = [record for source in find_sources([str(tmp_path / "in")])[0] for record in read_records(source)]
    crops = crop_faces(records, "whole", SCORE)
    assert [Path(name).name for name in crops.detections["source"]] == ["1.png"]
    assert set(crops.skipped["reason"]) == {"Permission denied", "cannot be read (Permission denied)"}
    table = pd.read_csv(bring_in("emotion", str(tmp_path / "in"), tmp_path / "raw.csv"), keep_default_na=False)
    assert table.loc[table["pixels"] == "", "file"].tolist() == ["train/happy/closed.png"]


def test_an_address_whose_library_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(address: str) -> object:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(tasks.readers.sources.fsspec.core, "url_to_fs", missing)
    with pytest.raises(InputError, match=r"s3://b/a.png: cannot be searched \(.*s3fs.*\); install that, or move"):
        find_sources(["s3://b/a.png"])


def test_a_broken_link_given_as_a_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("nowhere.csv")
    with pytest.raises(InputError, match=r"a.csv: a broken link to nowhere.csv; correct the path$"):
        bring_in("emotion", str(tmp_path / "a.csv"), tmp_path / "raw.csv")
    (record,) = read_records(str(tmp_path / "a.csv"))
    with pytest.raises(UnreadableInput, match=r"is a broken link to nowhere.csv; mend or remove it"):
        load_image(record, SCORE)
    assert os.path.lexists(tmp_path / "a.csv")
