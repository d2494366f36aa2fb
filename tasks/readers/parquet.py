"""Reads the images of a Parquet table in bounded memory, whatever sizes the file declares."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faces.common.pixel_text import MIN_SIDE, decode_squares, rows_problem, square_of, square_sides
from faces.data.pixel_columns import IMAGE_NAMES, listed, looks_like_pixels
from tasks.common.files import InputError
from tasks.common.image_formats import image_format
from tasks.common.parquet_pages import open_table, read_batches
from tasks.readers.bounded_csv import MAX_ROW_BYTES
from tasks.readers.sources import MAX_BYTES

SAMPLED, MAX_CANDIDATES = 8, 64
"""Rows that are read to choose the column of images, and columns that are tried."""
MAX_VALUES = 2**22
"""Pixels of a row that is a list of numbers."""
LIKELY, NAMED, DECODED, FILES = 1, 3, 5, 6
RAW = (2, 4)
"""Ranks of columns: values as long as pixels, names of images, pixels, files; and raw bytes of any name and these."""


NO_BYTES = "has no bytes of an image"
EMBED = "embed the bytes of these files and write it again, or give the folder of the files"


class ImageColumn(NamedTuple):
    """A column that may hold images: its name, `image`, its path, `image.bytes`, and what its values are.

    They are `bytes` of image files, `raw` pixels of one byte each, `text`, or `list` of numbers.
    """

    name: str
    path: str
    kind: str


def parquet_images(path: Path) -> Iterator[bytes | np.ndarray | str]:
    """Each row's image, as the bytes of its file or its pixels (side, side) uint8, or the reason why it has none.

    Raises InputError if the table has no images, or a page unpacks to more than MAX_PAGE.
    """
    with open_table(path) as table:
        column = image_column(path, table)
        for batch in read_batches(path, table, [column.path]):
            for value in values_of(batch, column):
                yield image_of(value, column)


def values_of(batch: pa.RecordBatch, column: ImageColumn) -> pa.Array:
    """The values of a column of images, which is the struct around its bytes where there is one."""
    return batch.column(batch.schema.names.index(column.name))


def image_column(path: Path, table: pq.ParquetFile) -> ImageColumn:
    """The column that holds images, by its type and its first rows; names decide between equals.

    Raises InputError if there is none, or its name is repeated.
    """
    schema = table.schema_arrow
    candidates = sorted(filter(None, map(_candidate, schema)), key=lambda column: _place(column.path))[:MAX_CANDIDATES]
    ranked = [(_rank(column, _sample(path, table, column)), column) for column in candidates]
    best, column = max(ranked, key=lambda each: each[0], default=(0, None))
    if column is None or not best:
        if not table.metadata.num_rows:
            raise InputError("has columns but no rows; rows are needed")
        if any(pa.types.is_struct(field.type) and field.type.get_field_index("path") >= 0 for field in schema):
            raise InputError(f"has the paths of images and not their bytes; {EMBED}")
        kinds = [f"{field.name} ({str(field.type)[:40]})" for field in schema]
        raise InputError(
            f"no column holds images; found {listed(kinds)}; such a column, image, holds the bytes of images, or their "
            "pixels as text or lists of integers"
        )
    if schema.names.count(column.name) > 1:
        raise InputError(f"column {column.name} is repeated; remove one")
    return column._replace(kind="raw") if best in RAW else column


def _place(path: str) -> int:
    name = path.removesuffix(".bytes").lower()
    return IMAGE_NAMES.index(name) if name in IMAGE_NAMES else len(IMAGE_NAMES)


def _candidate(field: pa.Field) -> ImageColumn | None:
    kind, path = storage_of(field.type), field.name
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind, path = storage_of(kind.field("bytes").type), f"{path}.bytes"
    if _is_any(kind, "binary", "large_binary", "fixed_size_binary", "binary_view"):
        return ImageColumn(field.name, path, "bytes")
    if is_text(kind):
        return ImageColumn(field.name, path, "text")
    depth = 0
    while _is_any(kind, "list", "large_list", "fixed_size_list", "list_view", "large_list_view"):
        kind, depth = storage_of(kind.value_type), depth + 1
    is_number = _is_any(kind, "integer", "float32", "float64")
    return ImageColumn(field.name, path, "list") if depth in (1, 2) and is_number else None


def is_text(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are texts."""
    return _is_any(kind, "string", "large_string", "string_view")


def _is_any(kind: pa.DataType, *names: str) -> bool:
    return any(getattr(pa.types, f"is_{name}")(kind) for name in names)


def storage_of(kind: pa.DataType) -> pa.DataType:
    """The type of the values of an extension type or a dictionary."""
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _sample(path: Path, table: pq.ParquetFile, column: ImageColumn) -> list[Any]:
    """The values of the first rows."""
    batch = next(read_batches(path, table, [column.path], SAMPLED), None)
    return [] if batch is None else list(values_of(batch, column))


def _rank(column: ImageColumn, sample: list[Any]) -> int:
    """How surely a column holds images, 0 for not; any bytes, as an embedding's, may have the length of a square."""
    is_named = _place(column.path) < len(IMAGE_NAMES)
    if column.kind == "bytes":
        contents = [content for content in map(_bytes_or_text, sample) if content is not None]
        if any(image_format(content) for content in contents):
            return FILES
        sizes = np.unique([len(content) for content in contents])
        if len(sizes) == 1 and square_sides(sizes)[0] >= MIN_SIDE:
            return RAW[is_named]
    elif any(isinstance(image_of(value, column), np.ndarray) for value in sample):
        return DECODED
    elif any(_looks_like_pixels(value, column.kind) for value in sample):
        return NAMED if is_named else LIKELY
    return NAMED if is_named and column.kind != "text" else 0


def _looks_like_pixels(value: Any, kind: str) -> bool:
    is_long = kind == "list" and value.is_valid and len(_numbers(value)[0]) >= MIN_SIDE**2
    return is_long or (kind == "text" and looks_like_pixels(_bytes_or_text(value) or ""))


def _bytes_or_text(value: Any) -> Any:
    """A value of a column of bytes or texts as Python's; None if it has none."""
    try:
        content = value.as_py()
    except UnicodeDecodeError:  # Arrow does not check texts when it reads them
        return None
    content = content.get("bytes") if isinstance(content, dict) else content
    return content if isinstance(content, (bytes, str)) else None


def image_of(value: Any, column: ImageColumn) -> bytes | np.ndarray | str:
    """The image of a value, as its bytes or its pixels (side, side) uint8, or the reason why it has none."""
    if column.kind == "list":
        return _image_of_list(value)
    content = _bytes_or_text(value)
    if content is None:
        return NO_BYTES if column.kind in ("bytes", "raw") else "no pixels: empty, or not UTF-8"
    if isinstance(content, str):
        too_long = f"no pixels: a text of {len(content):,} characters"
        return too_long if len(content) > MAX_ROW_BYTES else decode_squares([content])[0]
    if column.kind == "raw":
        return square_of(np.frombuffer(content, np.uint8)) if len(content) <= MAX_VALUES else f"{len(content):,} bytes"
    return content if len(content) <= MAX_BYTES else f"more than {MAX_BYTES // 2**20} MiB; make it smaller"


def _image_of_list(value: Any) -> np.ndarray | str:
    numbers, widths, has_missing = _numbers(value) if value.is_valid else (pa.array([]), np.array([]), False)
    if has_missing:
        return "no pixels: the list has missing values"
    if not len(numbers):
        return "no pixels: empty"
    if len(numbers) > MAX_VALUES:
        return f"{len(numbers):,} pixels are more than {MAX_VALUES:,}"
    return rows_problem(widths) or square_of(numbers.to_numpy(zero_copy_only=False))


def _numbers(value: Any) -> tuple[pa.Array, np.ndarray, bool]:
    """The numbers of a valid list, or list of rows, as Arrow's; the numbers of each row; and whether any is missing."""
    values = _stored((value.value if isinstance(value, pa.ExtensionScalar) else value).values)
    height, *others = [side for side in getattr(value.type, "shape", []) if side > 1] or [0]  # of a tensor
    widths, has_missing = np.full(height if others else 0, np.prod(others, dtype=np.int64)), False
    while pa.types.is_nested(values.type):
        has_missing = has_missing or values.null_count > 0
        widths = pc.list_value_length(values).fill_null(0).to_numpy()
        values = _stored(values.flatten())
    return values, widths, has_missing or values.null_count > 0


def _stored(values: pa.Array) -> pa.Array:
    return values.storage if isinstance(values, pa.ExtensionArray) else values
