"""Reads the rows of any CSV as text, in chunks of bounded size; errors name the place and the remedy."""

import codecs
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pandas.io.parsers import TextFileReader

from tasks.common.csv_escaping import unprotect, unprotected
from tasks.common.files import InputError
from tasks.readers.archives import opened
from tasks.readers.bounded_csv import BLOCK, BoundedRows, RowTooLarge

RESERVED = ("", "row", "reasons")
CHUNK_ROWS, CHUNK_BYTES = 200, 16 * 2**20
EXPORT = "export it as UTF-8 CSV"
# How pandas says it; its lines and rows begin at the header, with 1 and with 0.
_TOO_MANY = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_UNCLOSED = re.compile(r"EOF inside string starting at row (\d+)")


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
            raise InputError(f"{name}: {_encoding_problem(path, shown)}") from None
        except pd.errors.ParserError as error:
            raise InputError(f"{name}: {_parser_problem(error)}") from None
    names = [unprotect(str(column).strip()) for column in first.iloc[0]]
    if any("\0" in name for name in names):
        raise InputError(f"{name}: {_encoding_problem(path, shown)}")
    return names


def distinct(found: list[str]) -> list[str]:
    """Unique names: unnamed, repeated and reserved columns keep their place, so that a quarantined row is complete."""
    names: list[str] = []
    for position, column in enumerate(found, start=1):
        name = column if column not in RESERVED and found.count(column) == 1 else f"{column or 'unnamed'}.{position}"
        while name in names or (name != column and name in found):
            name += f".{position}"
        names.append(name)
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
                    yield chunk
        except RowTooLarge as error:
            raise InputError(f"{name}, {error}") from None
        except pd.errors.ParserWarning:
            problem = f"more cells than the {len(names)} columns of the header; quote or mend it"
            raise InputError(f"{name}, row {rows + 1}: {problem}") from None
        except UnicodeError:
            raise InputError(f"{name}: {_encoding_problem(path, shown)}") from None
        except pd.errors.ParserError as error:
            raise InputError(f"{name}, {_parser_problem(error)}") from None
    if rows == 0:
        raise InputError(f"{name}: has a header but no rows; rows are needed")


def _parser_problem(error: pd.errors.ParserError) -> str:
    """Row, reason and remedy of what pandas cannot parse."""
    if found := _TOO_MANY.search(str(error)):
        cells, line, seen = map(int, found.groups())
        return f"row {line - 1}: {seen} cells, but the header has {cells} columns; quote or mend it"
    if found := _UNCLOSED.search(str(error)):
        return f"row {found[1]}: a quote is not closed, and the file ends; close or remove it"
    return f"not readable as CSV ({str(error).strip()}); {EXPORT}"


def _encoding_problem(path: Path, shown: str | None) -> str:
    """Why the text of a file is not UTF-8, and where: the line and its first byte that is not."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with opened(path, shown) as handle:
        for block in iter(lambda: handle.read(BLOCK), b""):
            if lines == 1 and (block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in block[:1000]):
                return f"not readable as CSV text: it is UTF-16, or no text at all; {EXPORT}"
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                content, at = error.object, error.start
                lines += content.count(b"\n", 0, at) or content.count(b"\r", 0, at)
                found = f"line {lines}: byte 0x{content[at]:02x}"
                return f"not readable as CSV text ({found} is not UTF-8, but perhaps Latin-1 or Windows-1252); {EXPORT}"
            lines += block.count(b"\n") or block.count(b"\r")
    return f"not readable as CSV text (its last character is cut off); {EXPORT}"


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
