"""Reads Parquet in bounded memory: checks pages, from their headers only, before pyarrow unpacks them.

The headers are structs of Thrift's compact protocol. pyarrow does not expose them, and its view of a column crashes the
process on a corrupt footer.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.common.files import InputError

MAX_PAGE = 512 * 2**20
"""Bytes of an unpacked page that takes less than half of them in the file: images do not compress that well.

Readers unpack a page as a whole. pyarrow writes a thousand large images into one page.
"""
MAX_VALUES = 100_000_000
"""Values of a column in one row group; FER2013 as lists has 83 million. A few bytes can repeat a value that often."""
BATCH_ROWS, BATCH_BYTES = 256, 64 * 2**20
ENTRY_BYTES = 16
"""Memory of a dictionary's value in addition to its bytes."""
DICTIONARY_PAGE = 2
BYTE_ARRAY = 6
"""Parquet's types from this one on have values of any length."""
MAX_FOOTER = 16 * 2**20
MAX_DEPTH = 12
# Of the footer, which takes kilobytes in ordinary files.
LIMITS = {"thrift_string_size_limit": 16 * 2**20, "thrift_container_size_limit": 100_000}
BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LISTS, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12


class _Page(NamedTuple):
    """Sizes from a page's header: bytes unpacked, with the entries of a dictionary, and as stored; and its values."""

    unpacked: int
    stored: int
    values: int


@contextmanager
def open_table(path: Path) -> Iterator[pq.ParquetFile]:
    """An opened Parquet file. Raises InputError if the path is not a file."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is not a regular file")
    # With pre-buffering, everything read stays in memory to the end; without a buffer, a row group is read as a whole.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20, **LIMITS) as table:
        yield table


def read_batches(
    path: Path, table: pq.ParquetFile, columns: list[str], max_rows: int | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of some columns, few at a time. Raises InputError if they do not fit into memory."""
    with path.open("rb") as handle:
        for number, group in enumerate(row_groups(handle)):
            if group.get(3) == 0:
                continue  # a group without rows may have no pages
            rows = min(checked_rows(handle, group, columns), max_rows or BATCH_ROWS)
            yield from table.iter_batches(batch_size=rows, row_groups=[number], columns=columns)


def row_groups(handle: BinaryIO) -> list[dict[int, Any]]:
    """The row groups as the footer declares them. Raises InputError if the footer is corrupt."""
    end = handle.seek(-8, os.SEEK_END)
    (length,) = struct.unpack("<I", handle.read(4))
    if length > min(end, MAX_FOOTER):
        raise InputError("its footer is too large")
    handle.seek(end - length)
    groups = read_struct(BytesIO(handle.read(length))).get(4, [])
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise _corrupt()
    return groups


def checked_rows(handle: BinaryIO, group: dict[int, Any], columns: list[str]) -> int:
    """The most rows of a row group that fit into memory at once. `columns` are paths, `image.bytes`, or their begin.

    Raises InputError if a page is too large, or the metadata is corrupt.
    """
    try:
        return min(_rows_at_once(handle, group, column) for column in columns)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "is truncated or corrupt (its footer or the header of a page lacks a required field)"
        ) from None


def _rows_at_once(handle: BinaryIO, group: dict[int, Any], column: str) -> int:
    chunks = [chunk[3] for chunk in group[1] if _is_of(chunk[3][3], column)]
    if not chunks:
        raise InputError(f"has a row group without its column {column}")
    return min(_rows_of_chunk(handle, chunk, column) for chunk in chunks)


def _is_of(path: list[bytes], column: str) -> bool:
    name = b".".join(path)
    return name == column.encode() or name.startswith(column.encode() + b".")


def _rows_of_chunk(handle: BinaryIO, chunk: dict[int, Any], column: str) -> int:
    """The most rows that fit into BATCH_BYTES, since no value is larger than the largest page. Raises InputError."""
    largest, values = 1, 0
    for page in _pages(handle, chunk):
        if page.unpacked > max(MAX_PAGE, 2 * page.stored):
            size = f"{page.unpacked / 2**20:,.0f} MiB"
            raise InputError(f"a page unpacks to {size}; write the table with fewer rows per row group")
        largest, values = max(largest, page.unpacked), values + page.values
    if values > MAX_VALUES:
        raise InputError(f"its column {column} has {values:,} values; write the table with fewer rows per row group")
    return min(max(BATCH_BYTES // largest, 1), BATCH_ROWS) if chunk[1] >= BYTE_ARRAY else BATCH_ROWS


def _pages(handle: BinaryIO, column: dict[int, Any]) -> Iterator[_Page]:
    """The sizes of a column's pages, read from their headers only."""
    at, dictionary = column[9], column.get(11, 0)
    if 0 < dictionary < at:
        at = dictionary
    end = at + column[7]
    while at < end:
        handle.seek(at)
        header = read_struct(handle)
        entries = header[7][1] if header[1] == DICTIONARY_PAGE else 0
        data = header.get(5) or header.get(8) or {1: 0}
        if min(header[2], header[3], entries, data[1]) < 0:
            raise InputError("is truncated or corrupt (a page has a negative size)")
        yield _Page(max(header[2], entries * ENTRY_BYTES), header[3], data[1])
        at = handle.tell() + header[3]


def read_struct(handle: BinaryIO, depth: int = 0) -> dict[int, Any]:
    """Values by field number: numbers, bytes, lists and structs. Raises InputError if the bytes are no struct."""
    if depth > MAX_DEPTH:
        raise _corrupt()
    found: dict[int, Any] = {}
    field = 0
    while (field_header := _byte(handle)) != 0:
        field = field + (field_header >> 4) if field_header >> 4 else _zigzag(handle)
        kind = field_header & 15
        found[field] = kind == 1 if kind in BOOLEANS else _value(handle, kind, depth)
    return found


def _value(handle: BinaryIO, kind: int, depth: int) -> Any:
    if kind in BOOLEANS or kind == BYTE:  # in a list, a boolean takes one byte
        return _byte(handle)
    if kind in INTEGERS:
        return _zigzag(handle)
    if kind == DOUBLE:
        return _bytes(handle, 8)
    if kind == BINARY:
        return _bytes(handle, _varint(handle))
    if kind in LISTS:
        list_header = _byte(handle)
        count = list_header >> 4 if list_header >> 4 != 15 else _varint(handle)
        return [_value(handle, list_header & 15, depth + 1) for _ in range(count)]
    if kind == STRUCT:
        return read_struct(handle, depth + 1)
    raise _corrupt()


def _bytes(handle: BinaryIO, count: int) -> bytes:
    read = handle.read(min(count, 2**24))
    if len(read) < count:
        raise _corrupt()
    return read


def _byte(handle: BinaryIO) -> int:
    return _bytes(handle, 1)[0]


def _varint(handle: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(handle)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise _corrupt()


def _zigzag(handle: BinaryIO) -> int:
    """A zigzag integer; its lowest bit is the sign."""
    value = _varint(handle)
    return (value >> 1) ^ -(value & 1)


def _corrupt() -> InputError:
    return InputError("is truncated or corrupt (its metadata cannot be read)")
