"""Memory is bounded by bytes: small files that unpack to much are refused or read in parts."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import params
import tasks.readers.bounded_csv
import tasks.readers.parquet
import tasks.readers.raw_csv
import tasks.readers.records
import tasks.scoring.stage
from params import wrong_sources
from tasks.common.dataset import load_part
from tasks.common.files import InputError, replacing
from tasks.data.ingestion import bring_in
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge
from tasks.readers.parquet import parquet_pictures
from tasks.readers.raw_csv import read_raw
from tasks.readers.records import Item, count_items, items_of, shards_of
from tasks.scoring.face_detector import finder_of
from tasks.scoring.stage import read_faces
from tests.conftest import ROOT
from tests.readers.test_layouts import emotion_rows

MOST_MB = 1000
"""What reading a bomb may add to a process: a shard, a page and a batch, and what Python and Arrow copy."""

WEIGH = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
from tasks.readers.records import shards_of
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
told = {}
for source in sys.argv[1:]:
    last = None
    for shard in shards_of([source], 1000):
        last = shard.items[-1]
        if shard.number == 3:
            break
    told[source] = [last.content if isinstance(last.content, str) else "a picture", peak() - before]
print(json.dumps(told))
"""


def repeated(path: Path, size: int, rows: int, **options: object) -> None:
    """A Parquet table of one value again and again, which takes a few hundred bytes."""
    value = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([bytes(size)], pa.binary()))
    pq.write_table(pa.table({"image": value}), path, compression="zstd", **options)


def zipped_csv(path: Path, start: bytes, part: bytes, times: int) -> None:
    """A gzip of the start, and of a part again and again."""
    path.write_bytes(gzip.compress(start) + gzip.compress(part) * times)


def test_a_small_file_that_unpacks_to_gigabytes_does_not_fill_the_memory(tmp_path: Path) -> None:
    repeated(tmp_path / "dictionary.parquet", 10 * 2**20, 4_000)
    pages = pa.table({"image": pa.array([bytes(2**23)] * 70, pa.binary())})
    pq.write_table(pages, tmp_path / "pages.parquet", compression="zstd", use_dictionary=False)
    zipped_csv(tmp_path / "row.gz", b"emotion,pixels\n0,", b"1 " * 2**19, 2000)
    zipped_csv(tmp_path / "quote.gz", b'emotion,pixels\n0,"', (b"1 " * 500 + b"\n") * 1000, 1000)
    zipped_csv(tmp_path / "header.gz", b"", b"a," * 500_000, 10)
    zipped_csv(tmp_path / "rows.gz", b"emotion,pixels\n", b"0," + b"1 " * (7 * 2**20) + b"\n", 4)
    files = sorted(tmp_path.iterdir())
    assert all(path.stat().st_size < 4_000_000 for path in files)
    done = subprocess.run(
        [sys.executable, "-c", WEIGH, *map(str, files)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = {Path(source).name: said for source, (said, _) in json.loads(done.stdout).items()}
    assert told["dictionary.parquet"] == "a picture"
    assert "a page that unpacks to 560 MiB; write it with fewer rows a row group" in told["pages.parquet"]
    assert told["row.gz"] == "from here on: row 1: longer than 16 MiB; close its quotes, or end its line"
    assert told["quote.gz"] == told["row.gz"]
    assert told["header.gz"] == "from here on: header: more than 10,000 cells; put all pixels into one cell"
    assert told["rows.gz"] == "not 2304 pixels of 0..255"
    assert max(peak for _, peak in json.loads(done.stdout).values()) < MOST_MB


def test_a_shard_ends_where_its_bytes_reach_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repeated(tmp_path / "a.parquet", 1000, 25)
    monkeypatch.setattr(tasks.readers.records, "SHARD_BYTES", 9_500)
    shards = list(shards_of([str(tmp_path / "a.parquet")], 1000))
    assert [len(shard.items) for shard in shards] == [10, 10, 5]
    assert [shard.number for shard in shards] == [0, 1, 2]
    assert [item.row for shard in shards for item in shard.items] == list(range(1, 26))


def test_batches_of_a_table_shrink_with_its_largest_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = pq.ParquetFile.iter_batches

    def noting(self: pq.ParquetFile, batch_size: int, **options: object) -> Iterator[pa.RecordBatch]:
        read.append(batch_size)
        return original(self, batch_size=batch_size, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", noting)
    for size in (10, 2**20, 2**27):
        repeated(tmp_path / "a.parquet", size, 3)
        assert [len(content) for content in parquet_pictures(tmp_path / "a.parquet")] == [size] * 3
    assert read == [256, 63, 1]


def test_a_value_over_the_bound_of_a_picture_is_a_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.readers.parquet, "MOST_BYTES", 2**20)
    table = pa.table({"bytes": pa.array([b"small", bytes(2**20 + 1), None, b"small"], pa.binary())})
    pq.write_table(table, tmp_path / "a.parquet")
    contents = [item.content for item in items_of(str(tmp_path / "a.parquet"))]
    assert contents == [b"small", "more than 1 MiB; make it smaller", "has no picture's bytes", b"small"]


KINDS: dict[str, dict[str, Any]] = {
    "pages of version 2": {"data_page_version": "2.0", "data_page_size": 500},
    "plain": {"use_dictionary": False},
    "small pages": {"use_dictionary": False, "data_page_size": 100, "write_batch_size": 3},
    "row groups": {"row_group_size": 4},
    "gzip": {"compression": "gzip"},
    "with checksums": {"write_page_checksum": True},
    "delta": {"use_dictionary": False, "column_encoding": {"image": "DELTA_BYTE_ARRAY"}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_writing_a_table_reads_alike(tmp_path: Path, kind: str) -> None:
    pictures = [*(bytes([number]) * (number * 50) for number in range(30)), None]
    pq.write_table(pa.table({"image": pa.array(pictures, pa.binary())}), tmp_path / "a.parquet", **KINDS[kind])
    contents = list(parquet_pictures(tmp_path / "a.parquet"))
    assert contents == [*pictures[:-1], "has no picture's bytes"]


def test_pictures_as_hugging_face_keeps_them_and_packed_ones_are_read(tmp_path: Path) -> None:
    pictures = [{"bytes": b"one", "path": "1.png"}, {"bytes": None, "path": "2.png"}, None]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(pictures, kind)}), tmp_path / "a.parquet")
    assert list(parquet_pictures(tmp_path / "a.parquet")) == [b"one", *["has no picture's bytes"] * 2]
    pd.DataFrame({"image": pd.Categorical([b"a", b"b", b"a"])}).to_parquet(tmp_path / "b.parquet")
    assert list(parquet_pictures(tmp_path / "b.parquet")) == [b"a", b"b", b"a"]


@pytest.mark.parametrize("kind", ["list", "text", "number"])
def test_a_column_of_no_pictures_is_said_once(tmp_path: Path, kind: str) -> None:
    value = {"list": [1, 2], "text": "1.png", "number": 7}[kind]
    pq.write_table(pa.table({"image": [value] * 9}), tmp_path / "a.parquet")
    (item,) = items_of(str(tmp_path / "a.parquet"))
    assert isinstance(item.content, str)
    assert "has no picture's bytes in its column image, but " in item.content


def test_a_spoilt_table_is_said_and_ends(tmp_path: Path) -> None:
    """Every byte of a small table changed in turn: rows, or the reason, and never an error of another kind."""
    repeated(tmp_path / "good.parquet", 40, 5, store_schema=False, write_statistics=False)
    good = (tmp_path / "good.parquet").read_bytes()
    path = tmp_path / "spoilt.parquet"
    for at in range(len(good)):
        for value in {0, 255, good[at] ^ 1, 127} - {good[at]}:
            path.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
            items = [item for _, item in zip(range(50), items_of(str(path)), strict=False)]
            assert items
            assert all(isinstance(item.content, (bytes, str)) for item in items)
    path.write_bytes(good[: len(good) // 2])
    (item,) = items_of(str(path))
    assert str(item.content).startswith("from here on: ")


QUOTED = 'a,b\r\n"x, y\n""z""\n",2\n5" tall,"3\n4"\n"",""\n'


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
def test_rows_are_counted_as_pandas_reads_them(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.readers.bounded_csv, "BLOCK", block)
    for text in (QUOTED, "\ufeff" + QUOTED, QUOTED * 9):
        content = text.encode()
        rows = BoundedRows(io.BytesIO(content))
        assert rows.read() == content
        # A line end of two bytes may be cut between two blocks.
        assert rows.ended - len(pd.read_csv(io.BytesIO(content), header=None)) in range(text.count("\r\n") + 1)


def test_a_row_that_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.readers.bounded_csv, "MOST_ROW", 100_000)
    table = emotion_rows(("a", "b"), 300)
    table.loc[250, "pixels"] = "1 " * 60_000
    table.to_csv(tmp_path / "a.csv", index=False)
    message = r"a.csv, row 251: longer than 0 MiB; close its quotes, or end its line"
    with pytest.raises(InputError, match=message):
        list(read_raw(tmp_path / "a.csv", "emotion"))
    with pytest.raises(InputError, match=message):
        bring_in("emotion", str(tmp_path / "a.csv"), tmp_path / "raw/emotion.csv")
    assert not list((tmp_path / "raw").iterdir())


def test_long_rows_come_in_smaller_chunks_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = emotion_rows(("a", "b"), 300).assign(note='says "5, or\n6"')
    table.loc[100:120, "pixels"] = "1 " * 200_000
    table.to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setattr(tasks.readers.raw_csv, "CHUNK_BYTES", 2**20)
    chunks = list(read_raw(tmp_path / "a.csv", "emotion"))
    assert max(chunk["pixels"].str.len().sum() for chunk in chunks) < 3 * 2**20
    joined = pd.concat(chunks, ignore_index=True)
    assert joined["row"].tolist() == list(range(1, 301))
    pd.testing.assert_frame_equal(joined.drop(columns="row"), table.astype("str"), check_dtype=False)


def arrays(rows: int) -> dict[str, np.ndarray]:
    """A whole part, as `.npz` files hold it."""
    return {
        "images": np.arange(rows * 2304, dtype=np.int64).astype(np.uint8).reshape(rows, 48, 48),
        "targets": np.zeros(rows, np.int64),
        "rows": np.arange(rows),
        "groups": np.arange(rows),
        "persons": np.full(rows, ""),
        "kinds": np.full(rows, "original"),
        "classes": np.array(["anger"]),
        "answers": np.array(["anger"]),
        "protocol": np.array("grouped"),
    }


def npz(path: Path, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> Path:
    """A part whose members' bytes are changed."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays(3))
    with zipfile.ZipFile(buffer) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def header_of(shape: tuple[int, ...], kind: str) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": kind})
    return buffer.getvalue()


BAD_ARRAYS: dict[str, tuple[str, bytes, str]] = {
    "claims a million million": ("images", header_of((10**12, 48, 48), "|u1"), "claims 2,304,000,000,000,000 bytes"),
    "of faces of no pixels": ("images", header_of((10**12, 0, 0), "|u1"), "images are uint8"),
    "of more rows": ("rows", header_of((4,), "<i8") + bytes(32), "3 images, but rows has 4"),
    "objects": ("persons", header_of((3,), "|O") + bytes(24), "an array of Python objects"),
    "huge texts": ("kinds", header_of((3,), "<U99999999"), "claims 1,199,999,988 bytes"),
    "floats": ("images", header_of((3, 1, 1), "<f8") + bytes(24), "images are float64"),
    "no array": ("images", b"hello", "not a file of prepared faces"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_array_archive_is_held_to_what_it_has(tmp_path: Path, kind: str, method: int) -> None:
    name, content, reason = BAD_ARRAYS[kind]
    path = npz(tmp_path / "mine.npz", lambda members: members.update({f"{name}.npy": content}), method)
    with pytest.raises(InputError, match=reason):
        read_faces(path, tmp_path / "faces.npz")


def test_a_sound_array_archive_is_read_and_one_that_unpacks_to_gigabytes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        part = load_part(npz(tmp_path / "mine.npz", lambda members: None, method))
        np.testing.assert_array_equal(part.images, arrays(3)["images"])
    monkeypatch.setattr("tasks.common.npz.MOST_UNPACKED", 5_000)
    with pytest.raises(InputError, match="its arrays unpack to more than 0 GiB"):
        load_part(tmp_path / "mine.npz")


def test_a_directory_of_an_archive_that_claims_more_than_the_file_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "mine.npz", lambda members: members.update({"images.npy": header_of((2**31, 1, 1), "|u1")}))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"images.npy") - 46
    content[at + 20 : at + 28] = (2**31 + 128).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(InputError, match="its directory claims more bytes than it has"):
        load_part(path)


def test_a_table_of_too_many_faces_is_sent_to_the_command_that_takes_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emotion_rows(("a",), 30).to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setattr(tasks.scoring.stage, "MOST_PIXELS", 20 * 2304)
    with pytest.raises(InputError, match=r"too many faces for score.input; `python -m flows.score .*a.csv` takes any"):
        read_faces(tmp_path / "a.csv", tmp_path / "faces.npz")


PIPES = ["a.csv", "a.csv.gz", "a.zip", "a.parquet", "a.jpg", "a.npz"]


@pytest.mark.parametrize("name", PIPES)
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    for head in params.HEADS:
        with pytest.raises(InputError, match="neither a file nor a folder"):
            bring_in(head, str(pipe), tmp_path / "out.csv")
    with pytest.raises(InputError):
        read_faces(pipe, tmp_path / "faces.npz")
    if name not in ("a.jpg", "a.npz"):
        (item,) = items_of(str(pipe))
        assert isinstance(item.content, str)
        assert count_items(str(pipe)) == 1
    settings = params.load(ROOT / "params.yaml")
    detector = {"file": str(pipe), "sha256": "0" * 64}
    with pytest.raises(InputError, match="is no regular file"):
        finder_of(params.Score.model_validate(settings.score.model_dump() | {"detector": detector}))
    named = settings.model_copy(update={"score": settings.score.model_copy(update={"input": str(pipe)})})
    assert any("neither a file nor a folder" in line for line in wrong_sources(named, ROOT / "dvc.yaml"))


def test_a_device_is_no_table() -> None:
    assert next(items_of("/dev/zero")) == Item("/dev/zero", 0, None)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        bring_in("emotion", "/dev/zero", Path("out.csv"))


def test_a_full_disk_is_an_error_that_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    out = tmp_path / "out.csv"

    def write() -> None:
        with replacing(out) as temporary:
            temporary.write_text("half")
            Path("/dev/full").write_text("the rest")

    with pytest.raises(InputError, match=r"no space left on the disk mounted at"):
        write()
    assert not list(tmp_path.iterdir())


def test_rows_beyond_the_bounds_raise_while_they_are_read() -> None:
    with pytest.raises(RowTooLarge, match="header: more than 10,000 cells"):
        BoundedRows(io.BytesIO(b"," * 10_000)).read()
    assert BoundedRows(io.BytesIO(b"," * 9_999)).read() == b"," * 9_999
