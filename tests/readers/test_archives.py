"""Packed tables: the only CSV of an archive is read in bounded memory, and hostile archives are refused."""

import bz2
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import tasks.readers.archives
from tasks.common.files import InputError
from tasks.data.ingestion import bring_in
from tasks.readers.archives import opened

TABLE = b"emotion,pixels\n3,1 2\n"


def tar(*entries: tuple[tarfile.TarInfo, bytes], kind: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{kind}") as archive:  # type: ignore[call-overload]
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def a_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def header_of(kind: bytes, size: int) -> bytes:
    """A tar header that claims a size."""
    info = entry("a", kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def streams(pack: Callable[[bytes], bytes], damage: bytes) -> bytes:
    """Two packed streams, the first bytes of the second one damaged."""
    second = pack(TABLE[9:])
    return pack(TABLE[:9]) + damage + second[len(damage) :]


def wide(content: bytes) -> bytes:
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}])


REFUSED: dict[str, tuple[bytes, str]] = {
    "two CSVs in a tar": (
        tar((entry("train.csv"), TABLE), (entry("b/test.csv"), TABLE)),
        "one CSV is needed in the archive, found train.csv, b/test.csv; unpack it and name the one with the faces",
    ),
    "a tar of pictures": (tar((entry("a/1.png"), b"x"), kind="gz"), "found none, but a/1.png; unpack it"),
    "links in a tar": (
        tar((entry("a.csv", tarfile.SYMTYPE, "/etc/passwd"), b""), (entry("b.csv", tarfile.LNKTYPE, "a.csv"), b"")),
        "is an archive without regular files",
    ),
    "a device in a tar": (tar((entry("a.csv", tarfile.CHRTYPE), b"")), "is an archive without regular files"),
    "a truncated tar": (tar((entry("a.csv"), TABLE * 200))[:2000], "cannot be unpacked"),
    "a header that claims gigabytes": (
        header_of(tarfile.XHDTYPE, 2**33) + bytes(2000),
        r"corrupt tar archive: a header claims 8,589,934,592 bytes",
    ),
    "a long name that claims gigabytes": (header_of(tarfile.GNUTYPE_LONGNAME, 2**33) + bytes(2000), "a header claims"),
    "headers upon headers": (header_of(tarfile.XHDTYPE, 0) * 3000, "corrupt tar archive"),
    "a bzip2 with a corrupt second stream": (streams(bz2.compress, b"BZx"), "cannot be unpacked .*; fetch it again"),
    "an xz with a corrupt second stream": (streams(lzma.compress, b"\xfd7y"), "cannot be unpacked .*; fetch it again"),
    "an xz that takes a gigabyte": (wide(TABLE), "cannot be unpacked .*limit.*; unpack it yourself"),
    "an xz whose second stream does": (
        lzma.compress(TABLE) + wide(TABLE),
        "cannot be unpacked .*limit.*; unpack it yourself",
    ),
    "a truncated xz": (lzma.compress(TABLE)[:-9], "cannot be unpacked .*; fetch it again"),
    "a truncated bzip2": (bz2.compress(TABLE)[:-9], "cannot be unpacked .*; fetch it again"),
    "a zip packed with LZMA": (a_zip({"a.csv": TABLE}, zipfile.ZIP_LZMA), "a.csv is packed with LZMA.*yourself"),
    "Kaggle's keypoints": (
        a_zip({"training.zip": b"x", "test.zip": b"x", "IdLookupTable.csv": b"x", "SampleSubmission.csv": b"x"}),
        "found IdLookupTable.csv, SampleSubmission.csv and the archives training.zip, test.zip; unpack it and name",
    ),
    "Parquet in a tar": (
        tar((entry("a/0.parquet"), b"x"), (entry("a/1.parquet"), b"x")),
        "found none, but a/0.parquet, a/1.parquet; unpack it and name the folder of its Parquet files",
    ),
    "a zip in a zip": (a_zip({"training.zip": b"x"}), "found none, but training.zip; unpack it and name the archive"),
    "many files": (a_zip({f"{n}.csv": b"" for n in range(9)}), "found 0.csv, 1.csv, 2.csv, 3.csv and 5 more"),
    "packed twice": (bz2.compress(lzma.compress(TABLE)), "is an xz archive, not the CSV that was expected; unpack it"),
    "a page in a zip": (a_zip({"a.csv": b"<!doctype html><p>"}), "is a web page, not a table"),
    "a page in a tar": (tar((entry("a.csv"), b"<html>")), "is a web page, not a table"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_archive_without_one_readable_table_is_named(tmp_path: Path, kind: str) -> None:
    content, message = REFUSED[kind]
    (tmp_path / "mine").write_bytes(content)
    for model_name in ("emotion", "keypoints"):
        with pytest.raises(InputError, match=rf"mine: .*{message}"):
            bring_in(model_name, str(tmp_path / "mine"), tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_tar_of_more_files_than_allowed_is_refused_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.readers.archives, "MAX_TAR_FILES", 300)
    entries = [entry(f"{number}/{'x' * 5000}") for number in range(301)]
    (tmp_path / "mine.tar").write_bytes(tar(*((one, b"") for one in entries)))
    tracemalloc.start()
    with pytest.raises(InputError, match="a tar archive of more than 300 files; unpack it and name the CSV"):
        bring_in("emotion", str(tmp_path / "mine.tar"), tmp_path / "out.csv")
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_a_packed_tar_is_read_in_blocks(tmp_path: Path, kind: str) -> None:
    table = TABLE + (b"3," + b"117 " * 2304 + b"\n") * 3000
    (tmp_path / "mine").write_bytes(tar((entry("a/README"), bytes(10**6)), (entry("a/a.csv"), table), kind=kind))
    tracemalloc.start()
    bring_in("emotion", str(tmp_path / "mine"), tmp_path / "emotion.csv")
    # xz keeps 8 MiB.
    assert tracemalloc.get_traced_memory()[1] < 13e6 < len(table) / 2
    tracemalloc.stop()
    assert (tmp_path / "emotion.csv").read_bytes() == table


def test_no_path_of_a_tar_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    Path("mine.tar").write_bytes(tar((entry("/tmp/out.csv"), TABLE), (entry("../README"), b"x")))
    with opened(Path("mine.tar")) as table:
        assert table.read() == TABLE
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "mine.tar"]
