"""Reads the images of a Parquet table in bounded memory, whatever sizes the file declares."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.pixel_text import MIN_SIDE, decode_squares, square_of, square_sides
from faces.data.pixel_columns import IMAGE_NAMES, listed, looks_like_pixels
from tasks.common.files import InputError
from tasks.common.image_formats import image_format
from tasks.common.parquet_pages import checked_rows, row_groups
from tasks.readers.bounded_csv import MAX_ROW_BYTES
from tasks.readers.sources import MAX_BYTES

SAMPLED, MAX_CANDIDATES = 8, 64
"""Rows that are read to choose the column of images, and columns that are tried."""
MAX_VALUES = 2**22
"""Pixels of a row that is a list of numbers."""
# Of the footer, which takes kilobytes in ordinary files.
LIMITS = {"thrift_string_size_limit": 16 * 2**20, "thrift_container_size_limit": 100_000}


class ImageColumn(NamedTuple):
    """A column that may hold images: its path, `image.bytes`, and what its values are.

    They are `bytes` of image files, `raw` pixels of one byte each, `text`, or `list` of numbers.
    """

    path: str
    kind: str


def count_rows(source: BinaryIO) -> int:
    """The number of rows that the footer declares."""
    return int(pq.ParquetFile(source, **LIMITS).metadata.num_rows)


def parquet_images(path: Path) -> Iterator[bytes | np.ndarray | str]:
    """Each row's image, as the bytes of its file or its pixels (side, side) uint8, or the reason why it has none.

    Raises InputError if the table has no images, or a page unpacks to more than MAX_PAGE.
    """
    with open_table(path) as table:
        column = image_column(path, table)
        for batch in read_batches(path, table, [column.path]):
            for value in batch.column(0):
                yield image_of(value, column)


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
            rows = min(checked_rows(handle, group, columns), max_rows or MAX_VALUES)
            yield from table.iter_batches(batch_size=rows, row_groups=[number], columns=columns)


def image_column(path: Path, table: pq.ParquetFile) -> ImageColumn:
    """The column that holds images, by its type and its first rows; names decide between equals.

    Raises InputError if there is none.
    """
    schema = table.schema_arrow
    candidates = [column for field in schema if (column := _candidate(field)) is not None]
    candidates = sorted(candidates, key=lambda column: _place(column.path))[:MAX_CANDIDATES]
    samples = [_sample(path, table, column) for column in candidates]
    ranks = [
        (_rank(column, sample), -number)
        for number, (column, sample) in enumerate(zip(candidates, samples, strict=True))
    ]
    if not ranks or max(ranks)[0] == 0:
        kinds = [f"{field.name} ({str(field.type)[:40]})" for field in schema]
        raise InputError(
            f"no column holds images; found {listed(kinds)}; such a column, image, holds the bytes of images, or their "
            "pixels as text or lists of integers"
        )
    best = -max(ranks)[1]
    return candidates[best]._replace(kind="raw") if _are_raw(samples[best]) else candidates[best]


def _place(path: str) -> int:
    name = path.removesuffix(".bytes").lower()
    return IMAGE_NAMES.index(name) if name in IMAGE_NAMES else len(IMAGE_NAMES)


def _candidate(field: pa.Field) -> ImageColumn | None:
    kind, path = _storage(field.type), field.name
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind, path = _storage(kind.field("bytes").type), f"{path}.bytes"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return ImageColumn(path, "bytes")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ImageColumn(path, "text")
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = _storage(kind.value_type), depth + 1
    is_number = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
    return ImageColumn(path, "list") if depth in (1, 2) and is_number else None


def _storage(kind: pa.DataType) -> pa.DataType:
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _sample(path: Path, table: pq.ParquetFile, column: ImageColumn) -> list[bytes | str | np.ndarray]:
    """What the first rows hold, without empty values."""
    batch = next(read_batches(path, table, [column.path], SAMPLED), None)
    contents = [_content(value, column.kind) for value in (batch.column(0) if batch is not None else [])]
    return [content for content in contents if content is not None]


def _rank(column: ImageColumn, sample: list[bytes | str | np.ndarray]) -> int:
    """2 if the first rows hold an image, 1 if the name is that of images and the type may be, else 0."""
    if _are_raw(sample) or any(map(_looks_like_image, sample)):
        return 2
    return int(_place(column.path) < len(IMAGE_NAMES) and column.kind != "text")


def _are_raw(sample: list[bytes | str | np.ndarray]) -> bool:
    """Whether all are bytes of one length, which is that of a square's pixels, and none is the file of an image."""
    raw = [content for content in sample if isinstance(content, bytes) and not image_format(content)]
    sizes = sorted({len(content) for content in raw})
    return len(raw) == len(sample) and len(sizes) == 1 and int(square_sides(np.array(sizes))[0]) >= MIN_SIDE


def _looks_like_image(content: bytes | str | np.ndarray) -> bool:
    if isinstance(content, bytes):
        return image_format(content) is not None
    if isinstance(content, str):
        return looks_like_pixels(content)
    return len(content) >= MIN_SIDE**2


def _content(value: Any, kind: str) -> bytes | str | np.ndarray | None:
    """A value of a column of images as Python's: bytes, text, or numbers (N,); None if it has none."""
    if kind == "list":
        value = value.values if value.is_valid else None
        while value is not None and pa.types.is_nested(value.type):
            value = value.storage if isinstance(value, pa.ExtensionArray) else value.flatten()
        return None if value is None or value.null_count else value.to_numpy(zero_copy_only=False)
    try:
        content = value.as_py()
    except UnicodeDecodeError:  # Arrow does not check texts when it reads them
        return None
    content = content.get("bytes") if isinstance(content, dict) else content
    return content if isinstance(content, (bytes, str)) else None


def image_of(value: Any, column: ImageColumn) -> bytes | np.ndarray | str:
    """The image of a value, as its bytes or its pixels (side, side) uint8, or the reason why it has none."""
    content = _content(value, column.kind)
    if content is None or (column.kind == "list" and not len(content)):
        return "has no bytes of an image" if column.kind in ("bytes", "raw") else "no pixels: empty, or not UTF-8"
    if isinstance(content, str):
        too_long = f"no pixels: a text of {len(content):,} characters"
        return too_long if len(content) > MAX_ROW_BYTES else decode_squares([content])[0]
    if isinstance(content, np.ndarray):
        too_many = f"{len(content):,} pixels are more than {MAX_VALUES:,}"
        return too_many if len(content) > MAX_VALUES else square_of(content)
    if column.kind == "raw":
        return square_of(np.frombuffer(content, np.uint8)) if len(content) <= MAX_VALUES else f"{len(content):,} bytes"
    return content if len(content) <= MAX_BYTES else f"more than {MAX_BYTES // 2**20} MiB; make it smaller"
