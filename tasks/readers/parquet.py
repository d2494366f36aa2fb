"""Reads the images of a Parquet table in bounded memory, whatever sizes the file declares."""

import os
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.common.files import InputError
from tasks.readers.parquet_metadata import read_struct
from tasks.readers.sources import MAX_BYTES

IMAGE_COLUMNS = ("image", "bytes")
"""Columns of a Parquet table that may hold images."""
MAX_PAGE = 2 * MAX_BYTES
"""Bytes of an unpacked page that takes less than half of them in the file: images do not compress that well.

Readers unpack a page as a whole. pyarrow writes a thousand large images into one page.
"""
BATCH_ROWS, BATCH_BYTES = 256, 64 * 2**20
ENTRY_BYTES = 16
"""Memory of a dictionary's value in addition to its bytes."""
# Of the footer, which takes kilobytes in ordinary files.
LIMITS = {"thrift_string_size_limit": 16 * 2**20, "thrift_container_size_limit": 100_000}
DICTIONARY_PAGE = 2
MAX_FOOTER = 16 * 2**20


class _Page(NamedTuple):
    """Sizes from a page's header, in bytes: unpacked, with the entries of a dictionary, and as stored."""

    unpacked: int
    stored: int


def count_rows(source: BinaryIO) -> int:
    """The number of rows that the footer declares."""
    return int(pq.ParquetFile(source, **LIMITS).metadata.num_rows)


def parquet_images(path: Path) -> Iterator[bytes | str]:
    """The bytes of each row's image, or the reason why it has none.

    Raises InputError if the table has no images, or a page unpacks to more than MAX_PAGE.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is not a regular file")
    # With pre-buffering, everything read stays in memory to the end; without a buffer, a row group is read as a whole.
    with (
        path.open("rb") as handle,
        pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20, **LIMITS) as table,
    ):
        leaf = _leaf(table.schema_arrow)
        for number, group in enumerate(_row_groups(handle)):
            rows = _checked_rows(handle, group, leaf)
            for batch in table.iter_batches(batch_size=rows, row_groups=[number], columns=[leaf]):
                for value in batch.column(0):
                    yield _content(value.as_py())


def _leaf(schema: pa.Schema) -> str:
    """The path of the column that holds images: binary, or a struct with `bytes`, as in Hugging Face datasets."""
    column = next((name for name in IMAGE_COLUMNS if name in schema.names), None)
    if column is None:
        raise InputError(f"has no column {' or '.join(IMAGE_COLUMNS)} with images; found {', '.join(schema.names[:6])}")
    kind = schema.field(column).type
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column, kind = f"{column}.bytes", kind.field("bytes").type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        raise InputError(f"its column {column} holds no bytes of images, but {str(kind)[:40]}")
    return column


def _content(value: object) -> bytes | str:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        return "has no bytes of an image"
    return content if len(content) <= MAX_BYTES else f"more than {MAX_BYTES // 2**20} MiB; make it smaller"


def _row_groups(handle: BinaryIO) -> list[dict[int, Any]]:
    """The row groups as the footer declares them."""
    end = handle.seek(-8, os.SEEK_END)
    (length,) = struct.unpack("<I", handle.read(4))
    if length > min(end, MAX_FOOTER):
        raise InputError("its footer is too large")
    handle.seek(end - length)
    groups: list[dict[int, Any]] = read_struct(BytesIO(handle.read(length))).get(4, [])
    return groups


def _checked_rows(handle: BinaryIO, group: dict[int, Any], leaf: str) -> int:
    try:
        return _rows_at_once(handle, group, leaf)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "is truncated or corrupt (its footer or the header of a page lacks a required field)"
        ) from None


def _rows_at_once(handle: BinaryIO, group: dict[int, Any], leaf: str) -> int:
    """The most rows that fit into BATCH_BYTES, since no value is larger than the largest page. Raises InputError."""
    path = [name.encode() for name in leaf.split(".")]
    column = next((chunk[3] for chunk in group[1] if chunk[3][3] == path), None)
    if column is None:
        raise InputError(f"has a row group without its column {leaf}")
    largest = 1
    for page in _pages(handle, column):
        if page.unpacked > max(MAX_PAGE, 2 * page.stored):
            size = f"{page.unpacked / 2**20:,.0f} MiB"
            raise InputError(f"a page unpacks to {size}; write the table with fewer rows per row group")
        largest = max(largest, page.unpacked)
    return min(max(BATCH_BYTES // largest, 1), BATCH_ROWS)


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
        if min(header[2], header[3], entries) < 0:
            raise InputError("is truncated or corrupt (a page has a negative size)")
        yield _Page(max(header[2], entries * ENTRY_BYTES), header[3])
        at = handle.tell() + header[3]
