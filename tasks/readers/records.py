"""Records, which are images and rows of tables, and shards of them, the unit of scoring and of resuming."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple, cast

import fsspec
import numpy as np
import pyarrow as pa

from faces.common.pixel_text import decode_squares
from tasks.common.errors import Unreachable, error_text, raise_if_ours
from tasks.common.files import InputError
from tasks.readers.archives import opened
from tasks.readers.parquet import count_rows, parquet_images
from tasks.readers.prepared_split import count_faces, split_faces
from tasks.readers.raw_csv import UNREADABLE, read_pixels
from tasks.readers.sources import is_remote, is_table

SHARD_BYTES = 128 * 2**20
"""Of the contents of one shard, not counting its last record."""

NO_ROW, FROM_HERE = "no row is read: ", "no row from here on is read: "
"""Prefixes of a reason that holds for all rows of a table, or for all remaining ones."""


class Record(NamedTuple):
    """An image, or a row of a table, that may have faces.

    `row` counts from 1; it is 0 for an image, and the stored row number for a prepared split. `content`: the bytes of
    the image; its pixels (H, W) uint8 if it is known to be one face; the reason, as text, why it has none; None if
    the file is not read yet.
    """

    source: str
    row: int
    content: bytes | np.ndarray | str | None


class Shard(NamedTuple):
    """Some records, and the number of the shard, from 0."""

    number: int
    records: list[Record]


def shards_of(sources: Iterable[str], size: int) -> Iterator[Shard]:
    """All records of the sources, in order, `size` per shard, or fewer if their contents reach SHARD_BYTES."""
    number, records, num_bytes = 0, [], 0
    for record in (record for source in sources for record in read_records(source)):
        records.append(record)
        num_bytes += record.content.nbytes if isinstance(record.content, np.ndarray) else len(record.content or "")
        if len(records) == size or num_bytes >= SHARD_BYTES:
            yield Shard(number, records)
            number, records, num_bytes = number + 1, [], 0
    if records:
        yield Shard(number, records)


def count_records(source: str) -> int:
    """The number of records of a source, for the remaining time; of a CSV, its lines, which may exceed its rows.

    0 if it is unknown: for a CSV at an address.
    """
    if not is_table(source):
        return 1
    if is_remote(source) and not source.lower().endswith(".parquet"):
        return 0
    try:
        if not is_remote(source) and not Path(source).is_file():
            return 1
        if source.lower().endswith(".parquet"):
            with _opened(source) as handle:
                return max(count_rows(handle), 1)
        if source.lower().endswith(".npz"):
            return max(count_faces(Path(source)), 1)
        with opened(Path(source)) as handle:
            return max(sum(block.count(b"\n") for block in iter(lambda: handle.read(2**20), b"")) - 1, 1)
    except (OSError, ValueError, pa.ArrowException):
        return 1


def _opened(source: str) -> AbstractContextManager[BinaryIO]:
    """The bytes of a source. Paths do not go through fsspec, which gives `::`, `*` and `~` a special meaning."""
    return cast(
        AbstractContextManager[BinaryIO], fsspec.open(source, "rb") if is_remote(source) else open(source, "rb")
    )


def read_records(source: str) -> Iterator[Record]:
    """The records of a source in order: one for an image, one per row for a table."""
    if not is_table(source):
        yield Record(source, 0, None)
        return
    row, found = 0, False
    try:
        for record in _rows(source):
            row, found = record.row, True
            yield record
        if not found:
            yield Record(source, 0, "has no rows")
    except Unreachable:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        # Arrow also reports out of memory if a corrupt file declares more than there is.
        if not isinstance(error, pa.ArrowException):
            raise_if_ours(source, error)
        reason = error_text(error) if isinstance(error, OSError) else str(error).removeprefix(source).lstrip(":, ")
        # The rows before stay valid; what follows is unknown.
        yield Record(source, row + 1, (FROM_HERE if found else NO_ROW) + reason)


def _rows(source: str) -> Iterator[Record]:
    with _on_disk(source) as path:
        try:
            if source.lower().endswith(".parquet"):
                for row, content in enumerate(parquet_images(path), start=1):
                    yield Record(source, row, content)
            elif source.lower().endswith(".npz"):
                for row, image in split_faces(path):
                    yield Record(source, row, image)
            else:
                yield from _csv_rows(source, path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), source)) from None


@contextmanager
def _on_disk(source: str) -> Iterator[Path]:
    """The path of a table, or of a copy of a remote one: parts of it are read more than once."""
    if not is_remote(source):
        yield Path(source)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        try:
            with fsspec.open(source, "rb") as remote, path.open("wb") as copy:
                shutil.copyfileobj(remote, copy)
        except Exception as error:  # each fsspec protocol raises its own errors
            raise_if_ours(source, error)
            raise InputError(f"cannot be read ({type(error).__name__}: {error})") from None
        yield path


def _csv_rows(source: str, path: Path) -> Iterator[Record]:
    for chunk in read_pixels(path):
        contents = decode_squares(chunk["pixels"].tolist())
        # Of a row that has pixels in spite of a reason, these were mended.
        reasons = chunk[UNREADABLE].where(chunk["pixels"].str.strip() == "", "")
        for row, content, unreadable in zip(chunk["row"], contents, reasons, strict=True):
            yield Record(source, int(row), unreadable or content)
