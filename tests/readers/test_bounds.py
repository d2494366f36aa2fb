"""Memory is bounded by bytes: small files that unpack to gigabytes are refused or read in blocks."""

import errno
import gzip
import io
import json
import os
import re
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
import tasks.readers.prepared_split
import tasks.readers.raw_csv
import tasks.readers.records
from params import wrong_sources
from tasks.common.dataset import load_dataset
from tasks.common.errors import UnreadableInput
from tasks.common.files import InputError, replacing
from tasks.common.npz import read_rows
from tasks.data.ingestion import bring_in
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge
from tasks.readers.parquet import parquet_images
from tasks.readers.raw_csv import read_raw
from tasks.readers.records import Record, count_records, read_records, shards_of
from tasks.scoring.face_crops import load_image
from tasks.scoring.face_detector import make_detector
from tests.conftest import ROOT
from tests.readers.test_layouts import emotion_rows

SCORE = params.load(ROOT).score
MAX_MB = 1000
"""Memory that reading a bomb may add to a process: a shard, a page, a batch, and copies by Python and Arrow."""

WEIGH = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
from tasks.readers.records import shards_of
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
found = {}
for source in sys.argv[1:]:
    last = None
    for shard in shards_of([source], 1000):
        last = shard.records[-1]
        if shard.number == 3:
            break
    found[source] = [last.content if isinstance(last.content, str) else "an image", peak() - before]
print(json.dumps(found))
"""


def repeated(path: Path, size: int, rows: int, **options: object) -> None:
    """A Parquet table that repeats one value, which takes a few hundred bytes."""
    value = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([bytes(size)], pa.binary()))
    pq.write_table(pa.table({"image": value}), path, compression="zstd", **options)


def zipped_csv(path: Path, start: bytes, repeated: bytes, times: int) -> None:
    """A gzip of a start and a repeated block."""
    path.write_bytes(gzip.compress(start) + gzip.compress(repeated) * times)


def large_split(path: Path, faces: int) -> None:
    """A prepared split of `faces` black faces, compressed to a thousandth."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as images:
            images.write(header_of((faces, 48, 48), "|u1"))
            for _ in range(faces // 1000):
                images.write(bytes(1000 * 48 * 48))
        rows = np.arange(1, faces + 1, dtype=np.int32)
        archive.writestr("rows.npy", header_of((faces,), "<i4") + rows.tobytes())


def test_a_small_file_that_unpacks_to_gigabytes_does_not_exhaust_the_memory(tmp_path: Path) -> None:
    repeated(tmp_path / "dictionary.parquet", 10 * 2**20, 4_000)
    pages = pa.table({"image": pa.array([bytes(2**23)] * 70, pa.binary())})
    pq.write_table(pages, tmp_path / "pages.parquet", compression="zstd", use_dictionary=False)
    zipped_csv(tmp_path / "row.gz", b"emotion,pixels\n0,", b"1 " * 2**19, 2000)
    zipped_csv(tmp_path / "quote.gz", b'emotion,pixels\n0,"', (b"1 " * 500 + b"\n") * 1000, 1000)
    zipped_csv(tmp_path / "header.gz", b"", b"a," * 500_000, 10)
    zipped_csv(tmp_path / "rows.gz", b"emotion,pixels\n", b"0," + b"1 " * (7 * 2**20) + b"\n", 4)
    large_split(tmp_path / "split.npz", 850_000)
    files = sorted(tmp_path.iterdir())
    assert all(path.stat().st_size < 4_000_000 for path in files)
    done = subprocess.run(
        [sys.executable, "-c", WEIGH, *map(str, files)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    contents = {Path(source).name: content for source, (content, _) in json.loads(done.stdout).items()}
    assert contents["dictionary.parquet"] == "an image"
    assert "a page unpacks to 560 MiB; write the table with fewer rows per row group" in contents["pages.parquet"]
    assert contents["row.gz"] == "row 1: longer than 16 MiB; close its quotes, or end its line"
    assert contents["quote.gz"] == contents["row.gz"]
    assert contents["header.gz"] == "header: more than 10,000 cells; put all pixels into one cell"
    assert contents["split.npz"] == "an image"
    assert contents["rows.gz"] == "7,340,032 values are not the pixels of a square, such as 48x48 = 2,304"
    assert max(peak for _, peak in json.loads(done.stdout).values()) < MAX_MB


def test_a_shard_ends_when_its_bytes_reach_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repeated(tmp_path / "a.parquet", 1000, 25)
    monkeypatch.setattr(tasks.readers.records, "SHARD_BYTES", 9_500)
    shards = list(shards_of([str(tmp_path / "a.parquet")], 1000))
    assert [len(shard.records) for shard in shards] == [10, 10, 5]
    assert [shard.number for shard in shards] == [0, 1, 2]
    assert [record.row for shard in shards for record in shard.records] == list(range(1, 26))


def test_batches_of_a_table_shrink_with_its_largest_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = pq.ParquetFile.iter_batches

    def noting(self: pq.ParquetFile, batch_size: int, **options: object) -> Iterator[pa.RecordBatch]:
        read.append(batch_size)
        return original(self, batch_size=batch_size, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", noting)
    for size in (10, 2**20 + 1, 2**27):
        repeated(tmp_path / "a.parquet", size, 3)
        assert [len(content) for content in parquet_images(tmp_path / "a.parquet")] == [size] * 3
    # Of each table, some rows are read first, to find its column of images.
    assert read == [8, 256, 8, 63, 1, 1]


def test_a_value_over_the_bound_of_an_image_is_a_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.readers.parquet, "MAX_BYTES", 2**20)
    table = pa.table({"bytes": pa.array([b"small", bytes(2**20 + 1), None, b"small"], pa.binary())})
    pq.write_table(table, tmp_path / "a.parquet")
    contents = [record.content for record in read_records(str(tmp_path / "a.parquet"))]
    assert contents == [b"small", "more than 1 MiB; make it smaller", "has no bytes of an image", b"small"]


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
def test_every_encoding_of_a_table_gives_the_same_images(tmp_path: Path, kind: str) -> None:
    images = [*(bytes([number]) * (number * 50) for number in range(30)), None]
    pq.write_table(pa.table({"image": pa.array(images, pa.binary())}), tmp_path / "a.parquet", **KINDS[kind])
    contents = list(parquet_images(tmp_path / "a.parquet"))
    assert contents == [*images[:-1], "has no bytes of an image"]


def test_hugging_face_structs_and_dictionaries_are_read(tmp_path: Path) -> None:
    images = [{"bytes": b"one", "path": "1.png"}, {"bytes": None, "path": "2.png"}, None]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(images, kind)}), tmp_path / "a.parquet")
    assert list(parquet_images(tmp_path / "a.parquet")) == [b"one", *["has no bytes of an image"] * 2]
    pd.DataFrame({"image": pd.Categorical([b"a", b"b", b"a"])}).to_parquet(tmp_path / "b.parquet")
    assert list(parquet_images(tmp_path / "b.parquet")) == [b"a", b"b", b"a"]


@pytest.mark.parametrize("kind", ["texts", "text", "number"])
def test_a_column_without_images_is_one_record_with_the_reason(tmp_path: Path, kind: str) -> None:
    value = {"texts": ["1", "2"], "text": "1.png", "number": 7}[kind]
    pq.write_table(pa.table({"image": [value] * 9}), tmp_path / "a.parquet")
    (record,) = read_records(str(tmp_path / "a.parquet"))
    assert isinstance(record.content, str)
    assert "no column holds images; found image (" in record.content


def test_a_corrupt_table_ends_with_the_reason(tmp_path: Path) -> None:
    """Each byte of a small table is changed in turn: the records are rows or a reason, and no other error is raised."""
    repeated(tmp_path / "good.parquet", 40, 5, store_schema=False, write_statistics=False)
    good = (tmp_path / "good.parquet").read_bytes()
    path = tmp_path / "corrupt.parquet"
    for at in range(len(good)):
        for value in {0, 255, good[at] ^ 1, 127} - {good[at]}:
            path.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
            records = [record for _, record in zip(range(50), read_records(str(path)), strict=False)]
            assert records
            assert all(isinstance(record.content, (bytes, str)) for record in records)
    path.write_bytes(good[: len(good) // 2])
    (record,) = read_records(str(path))
    assert isinstance(record.content, str)


QUOTED = 'a,b\r\n"x, y\n""z""\n",2\n5" tall,"3\n4"\n"",""\n'


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
def test_rows_are_counted_as_pandas_reads_them(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.readers.bounded_csv, "BLOCK", block)
    for text in (QUOTED, "\ufeff" + QUOTED, QUOTED * 9):
        content = text.encode()
        rows = BoundedRows(io.BytesIO(content))
        assert rows.read() == content
        # A line end of two bytes may be split between two blocks.
        assert rows.ended - len(pd.read_csv(io.BytesIO(content), header=None)) in range(text.count("\r\n") + 1)


def test_a_row_that_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.readers.bounded_csv, "MAX_ROW_BYTES", 100_000)
    table = emotion_rows(("a", "b"), 300)
    table.loc[250, "pixels"] = "1 " * 60_000
    table.to_csv(tmp_path / "a.csv", index=False)
    message = r"a.csv, row 251: longer than 0 MiB; close its quotes, or end its line"
    with pytest.raises(InputError, match=message):
        list(read_raw(tmp_path / "a.csv", "emotion"))
    with pytest.raises(InputError, match=message):
        bring_in("emotion", str(tmp_path / "a.csv"), tmp_path / "raw/emotion.csv")
    assert not list((tmp_path / "raw").iterdir())


def test_long_rows_are_read_in_smaller_chunks_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = emotion_rows(("a", "b"), 300).assign(note='says "5, or\n6"')
    table.loc[100:120, "pixels"] = "1 " * 200_000
    table.to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setattr(tasks.readers.raw_csv, "CHUNK_BYTES", 2**20)
    chunks = list(read_raw(tmp_path / "a.csv", "emotion"))
    assert max(chunk["pixels"].str.len().sum() for chunk in chunks) < 3 * 2**20
    concatenate = pd.concat(chunks, ignore_index=True)
    assert concatenate["row"].tolist() == list(range(1, 301))
    pd.testing.assert_frame_equal(concatenate.drop(columns="row"), table.astype("str"), check_dtype=False)


def arrays(rows: int) -> dict[str, np.ndarray]:
    """The arrays of a dataset, as in an `.npz` file."""
    return {
        "images": np.arange(rows * 2304, dtype=np.int64).astype(np.uint8).reshape(rows, 48, 48),
        "targets": np.zeros(rows, np.int64),
        "rows": np.arange(rows),
        "groups": np.arange(rows),
        "subjects": np.full(rows, ""),
        "augmentation_kind": np.full(rows, "original"),
        "classes": np.array(["anger"]),
        "output_classes": np.array(["anger"]),
        "strategy": np.array("group"),
    }


def npz(path: Path, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> Path:
    """A dataset file with changed members."""
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
    "objects": ("subjects", header_of((3,), "|O") + bytes(24), "an array of Python objects"),
    "huge texts": ("augmentation_kind", header_of((3,), "<U99999999"), "claims 1,199,999,988 bytes"),
    "floats": ("images", header_of((3, 1, 1), "<f8") + bytes(24), "images are float64"),
    "no array": ("images", b"hello", "EOF: reading magic string"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_array_archive_that_does_not_match_its_headers_is_refused(tmp_path: Path, kind: str, method: int) -> None:
    name, content, reason = BAD_ARRAYS[kind]
    path = npz(tmp_path / "mine.npz", lambda members: members.update({f"{name}.npy": content}), method)
    with pytest.raises(InputError, match=reason):
        load_dataset(path)
    # Scoring reads only pixels and rows.
    records = list(read_records(str(path)))
    if name in ("subjects", "augmentation_kind"):
        assert [record.row for record in records] == arrays(3)["rows"].tolist()
    else:
        assert [record.row for record in records] == [0]
        assert re.match(rf".*{reason}.*; `dvc repro` writes one", str(records[0].content))


def test_a_valid_array_archive_is_read_and_one_that_unpacks_to_gigabytes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        dataset = load_dataset(npz(tmp_path / "mine.npz", lambda members: None, method))
        np.testing.assert_array_equal(dataset.images, arrays(3)["images"])
    monkeypatch.setattr("tasks.common.npz.MAX_UNPACKED_BYTES", 5_000)
    with pytest.raises(InputError, match="its arrays unpack to more than 0 GiB"):
        load_dataset(tmp_path / "mine.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_prepared_split_is_a_source_of_one_face_per_row(
    tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.array([900, 2, 41])
    rows = {"rows.npy": header_of((3,), "<i8") + numbers.tobytes()}
    path = npz(tmp_path / "mine.npz", lambda members: members.update(rows), method)
    monkeypatch.setattr(tasks.readers.prepared_split, "BLOCK_BYTES", 2 * 2304)
    blocks = [block.shape for block in read_rows(path, "images", 2)]
    assert blocks == [(2, 48, 48), (1, 48, 48)]
    records = list(read_records(str(path)))
    assert [(record.source, record.row) for record in records] == [(str(path), row) for row in numbers]
    np.testing.assert_array_equal(np.stack([load_image(record, SCORE) for record in records]), arrays(3)["images"])
    assert count_records(str(path)) == 3


def test_an_invalid_split_is_one_record_with_the_remedy(tmp_path: Path) -> None:
    def reason(name: str, **members: np.ndarray) -> str:
        np.savez(tmp_path / name, allow_pickle=False, **members)
        (record,) = read_records(str(tmp_path / name))
        assert count_records(str(tmp_path / name)) >= 1
        return str(record.content)

    whole = arrays(3)
    begin, again = "not a prepared split", "; `dvc repro` writes one"
    found = reason("a.npz", images=whole["images"])
    assert found == f"{begin} (There is no item named 'rows.npy' in the archive){again}"
    found = reason("b.npz", images=whole["images"], rows=whole["rows"].astype(float))
    assert found == f"{begin} (rows are float64 (3,), not whole numbers (N,)){again}"
    found = reason("c.npz", images=whole["images"], rows=np.array([1, 2, 1]))
    assert found == "its rows repeat, as in an augmented split; name the original split instead"
    found = reason("d.npz", images=np.asfortranarray(whole["images"]), rows=whole["rows"])
    assert "stored by column" in found
    assert reason("e.npz", images=whole["images"][:0], rows=whole["rows"][:0]) == "has no rows"


def test_a_split_that_is_corrupt_at_its_end_gives_no_face(tmp_path: Path) -> None:
    path = npz(tmp_path / "mine.npz", lambda members: None)
    content = bytearray(path.read_bytes())
    content[content.index(arrays(3)["images"][2].tobytes()) + 2000] ^= 1
    path.write_bytes(content)
    (record,) = read_records(str(path))
    assert "Bad CRC-32 for file 'images.npy'" in str(record.content)


def test_an_image_of_a_split_is_bounded_and_a_failing_disk_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = npz(tmp_path / "mine.npz", lambda members: None)
    with monkeypatch.context() as smaller:
        smaller.setattr(tasks.readers.prepared_split, "MAX_BYTES", 2303)
        (record,) = read_records(str(path))
        assert "images of 48x48 pixels are more than" in str(record.content)

    def failing(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(zipfile, "ZipFile", failing)
    with pytest.raises(OSError, match="Input/output error"):
        list(read_records(str(path)))


def test_an_archive_whose_directory_claims_more_than_the_file_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "mine.npz", lambda members: members.update({"images.npy": header_of((2**31, 1, 1), "|u1")}))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"images.npy") - 46
    content[at + 20 : at + 28] = (2**31 + 128).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(InputError, match="its directory claims more bytes than it has"):
        load_dataset(path)


PIPES = ["a.csv", "a.csv.gz", "a.zip", "a.parquet", "a.jpg", "a.npz"]


@pytest.mark.parametrize("name", PIPES)
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    for model_name in params.MODELS:
        with pytest.raises(InputError, match="neither a file nor a folder"):
            bring_in(model_name, str(pipe), tmp_path / "out.csv")
    with pytest.raises(UnreadableInput, match="is not a regular file"):
        load_image(next(read_records(str(pipe))), SCORE)
    assert count_records(str(pipe)) == 1
    settings = params.load(ROOT)
    detector = {"name": "yunet", "file": str(pipe), "sha256": "0" * 64}
    with pytest.raises(InputError, match="is not a regular file"):
        make_detector(params.Score.model_validate(settings.score.model_dump() | {"detector": detector}))
    named = settings.model_copy(update={"score": settings.score.model_copy(update={"input": str(pipe)})})
    assert any("neither a file nor a folder" in line for line in wrong_sources(named, ROOT / "dvc.yaml"))


def test_a_device_is_not_read() -> None:
    assert next(read_records("/dev/zero")) == Record("/dev/zero", 0, None)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        bring_in("emotion", "/dev/zero", Path("out.csv"))


def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
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
