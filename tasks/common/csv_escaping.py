"""Escape text cells that a spreadsheet would read as a formula, as OWASP recommends against CSV injection."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

import pandas as pd
from pandas.api.types import is_object_dtype, is_string_dtype

# Characters that start a formula, full-width ones included, after any quotes that already protect them.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBERS = re.compile(rf"\s*+{_NUMBER}(?:\s++{_NUMBER})*+\s*+", re.ASCII)


def protect(text: str) -> str:
    """Prefix the text with a single quote if it could be read as a formula; numbers and pixel texts are unchanged."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBERS.fullmatch(text) else text


def unprotect(text: str) -> str:
    """Undo `protect`; any other text is unchanged."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def protected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts and column names protected; numbers are unchanged."""
    renamed = table.rename(columns=lambda name: protect(name) if isinstance(name, str) else name)
    return _map_texts(renamed, protect)


def unprotected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the texts as before `protected`; column names are unchanged."""
    return _map_texts(table, unprotect)


def write_cells(table: pd.DataFrame, out: Path | TextIO, header: bool = True, float_format: str | None = None) -> None:
    """Write the protected table as CSV."""
    safe = protected(table)
    # pandas does not quote a carriage return, and readers take it as the end of a row.
    has_carriage_return = any(
        safe.iloc[:, position].str.contains("\r", regex=False).eq(True).any() for position in _text_columns(safe)
    )
    quoting: Literal[0, 2] = (
        csv.QUOTE_NONNUMERIC if has_carriage_return or any("\r" in str(name) for name in safe) else csv.QUOTE_MINIMAL
    )
    safe.to_csv(out, index=False, header=header, float_format=float_format, quoting=quoting)


def _text_columns(table: pd.DataFrame) -> list[int]:
    dtypes = enumerate(table.dtypes)
    return [position for position, dtype in dtypes if is_object_dtype(dtype) or is_string_dtype(dtype)]


def _map_texts(table: pd.DataFrame, function: Callable[[str], str]) -> pd.DataFrame:
    table = table.copy(deep=False)
    for position in _text_columns(table):
        values = table.iloc[:, position].tolist()
        mapped = [function(value) if isinstance(value, str) else value for value in values]
        if mapped != values:
            table.isetitem(position, mapped)
    return table
