"""Reads raw CSV tables in chunks, for training and for scoring; errors name the place and the remedy."""

import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pandas as pd
from pandas.io.parsers import TextFileReader

from faces.common.schema import COORDINATES
from faces.data.pixel_columns import (
    distinct,
    header_problem,
    missing_problem,
    named,
    no_pixels_problem,
    pixel_column,
    places_of,
    repeated_problem,
)
from tasks.common.csv_escaping import unprotect, unprotected
from tasks.common.files import InputError
from tasks.orchestration.artifacts import counted
from tasks.readers.archives import opened
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge, encoding_problem, parser_problem

COLUMNS = {"keypoints": [*COORDINATES, "Image"], "emotion": ["emotion", "pixels"]}
OPTIONAL = {"keypoints": ["person"], "emotion": ["Usage", "person"]}
PIXELS = {"keypoints": "Image", "emotion": "pixels"}
UNREADABLE = "unreadable"
"""An optional column: why a row has no pixels, from what read its image; empty for a row that has."""
CHUNK_ROWS, CHUNK_BYTES = 200, 16 * 2**20


def columns(path: Path, model_name: str, shown: str | None = None) -> list[str]:
    """The unique column names of a raw table; those that the model needs have the names of COLUMNS and OPTIONAL.

    Names may be in any case; the column of pixels is chosen by its cells. Raises InputError if a column is missing or
    repeated.
    """
    name, found = shown or str(path), header(path, shown)
    if problem := header_problem(found):
        raise InputError(f"{name}: {problem}")
    wanted = COLUMNS[model_name] + OPTIONAL[model_name]
    repeated = [column for column in [*wanted, UNREADABLE] if found.count(column) > 1]
    if repeated:
        raise InputError(f"{name}, header: column {repeated[0]} is repeated; remove one")
    for column in (column for column in wanted if column not in {*found, PIXELS[model_name]}):
        places = places_of(found, column)
        if len(places) > 1:
            raise InputError(f"{name}, header: {repeated_problem(found, places)}")
        found = named(found, places[0] if places else None, column)
    missing = [column for column in COLUMNS[model_name] if column not in {*found, PIXELS[model_name]}]
    if missing:
        raise InputError(f"{name}, header: {missing_problem(missing, COLUMNS[model_name], found, name)}")
    names = distinct(found)
    sample = next(read_rows(path, names, shown)).drop(columns="row")
    chosen = pixel_column(sample[[each for each in names if each not in wanted or each == PIXELS[model_name]]])
    if chosen is None:
        raise InputError(f"{name}, header: {no_pixels_problem(sample)}")
    place = names.index(chosen)
    alike = [other for other, column in enumerate(found) if column.lower() == found[place].lower()]
    if len(alike) > 1 and chosen != PIXELS[model_name]:
        raise InputError(f"{name}, header: {repeated_problem(found, alike)}")
    return distinct(named(names, place, PIXELS[model_name]))


def read_raw(path: Path, model_name: str) -> Iterator[pd.DataFrame]:
    """Chunks of a raw table as text, as `read_rows` reads them, with the names of `columns`."""
    yield from read_rows(path, columns(path, model_name))


def has_pixels(path: Path, shown: str | None = None) -> bool:
    """Whether a column of a CSV holds pixels. Raises InputError if it cannot be read."""
    sample = next(read_rows(path, distinct(header(path, shown)), shown)).drop(columns="row")
    return pixel_column(sample) is not None


def read_pixels(path: Path) -> Iterator[pd.DataFrame]:
    """Chunks of any table with a column of pixels: `row`, `pixels` as text, and `unreadable`, empty where it is not.

    Raises InputError if no column holds pixels.
    """
    found = header(path)
    if problem := header_problem(found):
        raise InputError(f"{path}: {problem}")
    names = distinct(found)
    chunks = read_rows(path, names)
    first = next(chunks)
    column = pixel_column(first.drop(columns="row"))
    if column is None:
        raise InputError(f"{path}: {no_pixels_problem(first.drop(columns='row'))}")
    for chunk in chain([first], chunks):
        yield pd.DataFrame({"row": chunk["row"], "pixels": chunk[column], UNREADABLE: chunk.get(UNREADABLE, "")})


def header(path: Path, shown: str | None = None) -> list[str]:
    """The column names of a CSV, stripped of blanks. `shown` is the file's name in errors.

    Raises InputError if there is no readable header.
    """
    name = shown or str(path)
    with opened(path, shown) as handle:
        try:
            # The header is read as a row: as a header, pandas would rename a repeated column.
            first = pd.read_csv(
                BoundedRows(handle),
                nrows=1,
                header=None,
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                encoding="utf-8-sig",
            )
        except RowTooLarge as error:
            raise InputError(f"{name}, {error}") from None
        except pd.errors.EmptyDataError:
            raise InputError(f"{name}: the file is empty, or its first line; a header and rows are needed") from None
        except UnicodeError:
            raise InputError(f"{name}: {_not_utf8(path, shown)}") from None
        except pd.errors.ParserError as error:
            raise InputError(f"{name}: {parser_problem(str(error))}") from None
    names = [unprotect(str(column).strip()) for column in first.iloc[0]]
    if any("\0" in name for name in names):
        raise InputError(f"{name}: {_not_utf8(path, shown)}")
    return names


def read_rows(path: Path, names: list[str], shown: str | None = None) -> Iterator[pd.DataFrame]:
    """Chunks of a CSV as text, with `row` (1 = the line below the header) before its columns, which get these names.

    An empty cell is "", and a quote that `protect` added is removed. Raises InputError, which names file and row, if
    the text is not CSV.
    """
    name, rows = shown or str(path), 0
    with opened(path, shown) as handle:
        bounded = BoundedRows(handle)
        try:
            with (
                warnings.catch_warnings(),
                pd.read_csv(
                    bounded,
                    names=names,
                    header=0,
                    dtype=str,
                    keep_default_na=False,
                    index_col=False,
                    skip_blank_lines=False,
                    encoding="utf-8-sig",
                    iterator=True,
                ) as reader,
            ):
                # Of a row with more cells than the header, pandas drops the rest with a warning.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                for chunk in _chunks(reader, bounded):
                    chunk = unprotected(chunk.fillna(""))
                    chunk.insert(0, "row", range(rows + 1, rows + len(chunk) + 1))
                    rows += len(chunk)
                    if len(chunk):
                        yield chunk
        except RowTooLarge as error:
            raise InputError(f"{name}, {error}") from None
        except pd.errors.ParserWarning:
            problem = f"more cells than the {counted(len(names), 'column')} of the header; quote or mend it"
            raise InputError(f"{name}, row {rows + 1}: {problem}") from None
        except UnicodeError:
            raise InputError(f"{name}: {_not_utf8(path, shown)}") from None
        except pd.errors.ParserError as error:
            raise InputError(f"{name}, {parser_problem(str(error))}") from None
    if rows == 0:
        raise InputError(f"{name}: has a header but no rows; rows are needed")


def _chunks(reader: TextFileReader, bounded: BoundedRows) -> Iterator[pd.DataFrame]:
    """CHUNK_ROWS rows at a time, or fewer if they are long."""
    rows = 0
    while True:
        # In addition to the header and the rows of the chunks before.
        at_end = bounded.look_ahead(rows + 1 + CHUNK_ROWS, CHUNK_BYTES)
        ready = CHUNK_ROWS if at_end else min(bounded.ended - rows - 1, CHUNK_ROWS)
        try:
            chunk = reader.get_chunk(max(ready, 1))
        except StopIteration:
            return
        rows += len(chunk)
        yield chunk


def _not_utf8(path: Path, shown: str | None) -> str:
    with opened(path, shown) as handle:
        return encoding_problem(handle)
