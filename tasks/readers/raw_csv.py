"""Reads the two raw CSV layouts in chunks; errors name the place and the remedy."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pandas.io.parsers import TextFileReader

from faces.common.schema import COORDINATES
from tasks.common.csv_escaping import unprotect, unprotected
from tasks.common.files import InputError
from tasks.readers.archives import opened
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge

COLUMNS = {"keypoints": [*COORDINATES, "Image"], "emotion": ["emotion", "pixels"]}
OPTIONAL = {"keypoints": ["person"], "emotion": ["Usage", "person"]}
PIXELS = {"keypoints": "Image", "emotion": "pixels"}
UNREADABLE = "unreadable"
RESERVED = ("", "row", "reasons")
CHUNK_ROWS, CHUNK_BYTES = 200, 16 * 2**20
EXPORT = "export it as UTF-8 CSV"


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
        except (UnicodeError, pd.errors.ParserError) as error:
            raise InputError(f"{name}, at its beginning: not readable as CSV text ({error}); {EXPORT}") from None
    return [unprotect(str(column).strip()) for column in first.iloc[0]]


def columns(path: Path, model_name: str, shown: str | None = None) -> list[str]:
    """The unique column names of a raw table. Raises InputError if a column of `model_name` is missing or repeated."""
    name, found = shown or str(path), header(path, shown)
    missing = [column for column in COLUMNS[model_name] if column not in found]
    if missing:
        some = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        # Without a header, a row of pixels is in its place.
        seen = ", ".join(column if len(column) <= 40 else f"{column[:40]} ..." for column in found[:6])
        raise InputError(f"{name}, header: no column {some}; found {seen}; {_remedy(found)}")
    repeated = [column for column in COLUMNS[model_name] + OPTIONAL[model_name] if found.count(column) > 1]
    if repeated:
        raise InputError(f"{name}, header: column {repeated[0]} is repeated; remove one")
    return _distinct(found)


def _distinct(found: list[str]) -> list[str]:
    """Unique names: unnamed, repeated and reserved columns keep their place, so that a quarantined row is complete."""
    names: list[str] = []
    for position, column in enumerate(found, start=1):
        name = column if column not in RESERVED and found.count(column) == 1 else f"{column or 'unnamed'}.{position}"
        while name in names or (name != column and name in found):
            name += f".{position}"
        names.append(name)
    return names


def _remedy(found: list[str]) -> str:
    other = next((mark for mark in ";\t|" if len(found) == 1 and mark in found[0]), None)
    return f"separate the cells by commas, not by {other!r}" if other else "add or rename them"


def read_raw(path: Path, model_name: str) -> Iterator[pd.DataFrame]:
    """Chunks of a raw table as text, with `row` (1 = the line below the header) before the columns of the file.

    An empty cell is "", and a quote that `protect` added is removed. Raises InputError, which names file and row, if
    the text is not CSV.
    """
    names = columns(path, model_name)
    rows = 0
    with opened(path) as handle:
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
                    yield chunk
        except RowTooLarge as error:
            raise InputError(f"{path}, {error}") from None
        except pd.errors.ParserWarning:
            raise InputError(
                f"{path}, after row {rows}: a row has more cells than the header; quote or mend it"
            ) from None
        except UnicodeError as error:
            raise InputError(f"{path}, after row {rows}: not readable as CSV text ({error}); {EXPORT}") from None
        except pd.errors.ParserError as error:
            raise InputError(f"{path}, after row {rows}: not readable as CSV ({str(error).strip()}); mend it") from None
    if rows == 0:
        raise InputError(f"{path}: has a header but no rows; rows are needed")


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
