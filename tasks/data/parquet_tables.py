"""Writes Parquet tables, as data sets are shared on the web, to one raw CSV."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.pixel_text import SIZES
from faces.data.pixel_columns import listed, missing_problem, places_of, repeated_problem
from tasks.common.csv_escaping import protect
from tasks.common.errors import UnreadableInput, raise_if_ours
from tasks.common.files import InputError, readable
from tasks.common.parquet_pages import open_table, read_batches
from tasks.data.parquet_shards import shard_on_disk, shards_of, usage_of
from tasks.orchestration.artifacts import counted, log
from tasks.readers.parquet import EMBED, NO_BYTES, ImageColumn, image_column, image_of, is_text, storage_of, values_of
from tasks.readers.raw_csv import COLUMNS, OPTIONAL, PIXELS, UNREADABLE
from tasks.readers.training_images import at_model_size, resized_text, square_pixels


class _Table(NamedTuple):
    """A shard's columns: of images, and by the raw table's name the others; the class names of codes, if it has them;
    and the value of Usage that the shard's name gives, or an empty text."""

    images: ImageColumn
    columns: dict[str, str]
    classes: list[str] | None
    usage: str


def write_parquet_csv(model_name: str, source: Path, out: Path, shown: str) -> None:
    """Write the rows of all shards, in the order of their names, to `out` as one raw CSV.

    A picture that cannot be read gets an empty pixel cell and its reason in the column `unreadable`. Raises InputError
    if a shard lacks a column; `shown` is the source's name in errors.
    """
    names, resized, unreadable = shards_of(source, shown), Counter[str](), list[str]()
    with out.open("w", newline="", encoding="utf-8", errors="backslashreplace") as text:
        rows, first, total = csv.writer(text), None, 0
        for name in names:
            where = f"{shown}: {name}" if name else shown
            with shard_on_disk(source, name, shown, out.parent) as path, _named(where, path), open_table(path) as table:
                found = _table(model_name, path, table, name or PurePosixPath(shown).name, shown)
                if first is None:
                    first, header = found, _header(model_name, found, names)
                    rows.writerow(header)
                _require_alike(found, first)
                count = 0
                for count, cells in enumerate(_rows(model_name, path, table, found, resized), start=1):
                    rows.writerow([protect(cells.get(column, "")) for column in header])
                    if cells[UNREADABLE]:
                        unreadable.append(f"{name}, row {count}: {cells[UNREADABLE]}".removeprefix(", "))
                total += count
                log(f"{where}: {counted(count, 'row')}")
    if not total:
        raise InputError(f"{shown}: has columns but no rows; rows are needed")
    if resized:
        log(f"{shown}: {resized_text(resized)}")
    if unreadable:
        what = counted(len(unreadable), "row has", "rows have")
        log(f"{shown}: {what} no usable pixels, the first: {readable(unreadable[0])}")


def check_parquet(model_name: str, source: Path, shown: str) -> None:
    """Raise the InputError of `write_parquet_csv` for the columns of all shards; those in a zip are not unpacked."""
    first = None
    for name in shards_of(source, shown):
        if name and not source.is_dir():
            return
        where, path = (f"{shown}: {name}", source / name) if name else (shown, source)
        with _named(where, path), open_table(path) as table:
            found = _table(model_name, path, table, name or PurePosixPath(shown).name, shown)
            first = first or found
            _require_alike(found, first)


def _header(model_name: str, first: _Table, names: list[str]) -> list[str]:
    """The raw table's columns, of which all shards have the optional ones, or none."""
    has_usage = first.usage or "Usage" in first.columns or any(map(usage_of, names))
    person = ["person"] if "person" in first.columns else []
    return [*COLUMNS[model_name], *(["Usage"] if has_usage else []), *person, UNREADABLE]


def _require_alike(found: _Table, first: _Table) -> None:
    """Raise InputError if a shard has other columns or class names than the first one."""
    for column in sorted({*found.columns} ^ {*first.columns}):
        what = "has a column" if column in found.columns else "has no column"
        raise InputError(f"{what} {column}, unlike the first shard; write all shards with the same columns")
    if found.classes != first.classes:
        ours, others = (f"({listed(classes)})" if classes else "(none)" for classes in (found.classes, first.classes))
        raise InputError(
            f"its class names {ours} are not those of the first shard {others}; write all shards with the same ones"
        )


@contextmanager
def _named(where: str, path: Path) -> Iterator[None]:
    """Raise what is wrong with a shard as InputError with its name."""
    try:
        yield
    except (ValueError, OSError, pa.ArrowException) as error:
        # Arrow also reports out of memory if a corrupt file declares more than there is.
        if not isinstance(error, pa.ArrowException):
            raise_if_ours(where, error)
        remedy = "" if isinstance(error, InputError) else "; fetch or write it again"
        raise InputError(f"{where}: {str(error).removeprefix(str(path)).lstrip(': ').rstrip('.')}{remedy}") from None


def _rows(
    model_name: str, path: Path, table: pq.ParquetFile, found: _Table, resized: Counter[str]
) -> Iterator[dict[str, str]]:
    """The cells of each row, by the raw table's columns."""
    for batch in read_batches(path, table, [found.images.path, *found.columns.values()]):
        values = dict(zip(batch.schema.names, batch.columns, strict=True))
        texts = {column: list(map(_text, values[name].to_pylist())) for column, name in found.columns.items()}
        for number, value in enumerate(values_of(batch, found.images)):
            content = _pixels(model_name, value, found.images, resized)
            yield _row(model_name, found, content, {column: cells[number] for column, cells in texts.items()})


def _row(model_name: str, table: _Table, content: np.ndarray | str, cells: dict[str, str]) -> dict[str, str]:
    pixels, reason = ("", content) if isinstance(content, str) else (" ".join(map(str, content.ravel().tolist())), "")
    if table.classes is not None and (code := cells["emotion"]):
        classes = counted(len(table.classes), "class name")
        is_named = code.isascii() and code.isdigit() and int(code) < len(table.classes)
        cells["emotion"] = table.classes[int(code)] if is_named else ""
        reason = reason if is_named else f"the label {code[:20]} has none of its {classes}"
    return {"Usage": table.usage, **cells, PIXELS[model_name]: "" if reason else pixels, UNREADABLE: reason}


def _pixels(model_name: str, value: Any, column: ImageColumn, resized: Counter[str]) -> np.ndarray | str:
    """The pixels of a value, in the model's size, or the reason why it has none."""
    content = image_of(value, column)
    try:
        content = square_pixels(content) if isinstance(content, bytes) else content
    except UnreadableInput as error:
        return str(error)
    if isinstance(content, str) or model_name == "emotion":
        return content if isinstance(content, str) else at_model_size(content, resized)
    # Coordinates are those of the size in which they were marked.
    side, size = len(content), SIZES[model_name]
    return content if side == size else f"{side}x{side} pixels: not {size}x{size}"


def _text(value: object) -> str:
    if value is None or value != value:
        return ""
    return format(value, ".9g") if isinstance(value, float) else str(value)


def _table(model_name: str, path: Path, table: pq.ParquetFile, name: str, shown: str) -> _Table:
    images = image_column(path, table)
    present, columns = table.schema_arrow.names, {}
    for column in (*COLUMNS[model_name], *OPTIONAL[model_name]):
        places = [] if column == PIXELS[model_name] else places_of([name.strip() for name in present], column)
        if len(places) > 1:
            raise InputError(repeated_problem(present, places))
        if places:
            columns[column] = present[places[0]]
    missing = [column for column in COLUMNS[model_name] if column not in {*columns, PIXELS[model_name]}]
    if missing:
        raise InputError(missing_problem(missing, COLUMNS[model_name], present, shown))
    for other in columns.values():
        _require_cells(table.schema_arrow.field(other))
    _require_bytes(path, table, images)
    classes = _class_names(table.schema_arrow, columns["emotion"]) if model_name == "emotion" else None
    return _Table(images, columns, classes, usage_of(name))


def _require_bytes(path: Path, table: pq.ParquetFile, images: ImageColumn) -> None:
    """Raise InputError if no row has an image: it reads up to the first one."""
    batches = read_batches(path, table, [images.path])
    contents = (image_of(value, images) for batch in batches for value in values_of(batch, images))
    if table.metadata.num_rows and all(isinstance(content, str) and content == NO_BYTES for content in contents):
        by = "in Hugging Face's datasets, `with_format('arrow').map(datasets.table.embed_table_storage, batched=True)`"
        raise InputError(f"no row of its column {images.name} has the bytes of an image; {EMBED} ({by})")


def _require_cells(field: pa.Field) -> None:
    kind = storage_of(field.type)
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InputError(f"its column {field.name} holds {str(kind)[:40]}; write numbers or texts")


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The class names of a column's codes, which Hugging Face keeps in the metadata of the schema, or None."""
    try:
        content = json.loads((schema.metadata or {}).get(b"huggingface", b"null"))
        content = content.get("info", content)
        names = content["features"][column]["names"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return [str(name)[:100] for name in names] if isinstance(names, list) and names else None
