"""Text cells that no spreadsheet takes for a formula, after OWASP's advice on CSV injection."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

import pandas as pd
from pandas.api.types import is_object_dtype, is_string_dtype

# Signs and blanks that begin a formula, full-width ones too, after any quotes that protect them.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBERS = re.compile(rf"\s*+{_NUMBER}(?:\s++{_NUMBER})*+\s*+", re.ASCII)


def protect(text: str) -> str:
    """The text with a single quote before it, where it could be read as a formula: numbers and pixels stay."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBERS.fullmatch(text) else text


def unprotect(text: str) -> str:
    """The text that was protected; any other stays."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def protected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts and the names of its columns protected; its numbers are as they are."""
    renamed = table.rename(columns=lambda name: protect(name) if isinstance(name, str) else name)
    return _changed(renamed, protect)


def unprotected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts as they were before `protected`; the names of its columns stay."""
    return _changed(table, unprotect)


def write_cells(table: pd.DataFrame, out: Path | TextIO, header: bool = True, float_format: str | None = None) -> None:
    """Write the protected table as CSV."""
    safe = protected(table)
    # pandas leaves a carriage return unquoted, and readers take it for the end of a row.
    returns = any(safe.iloc[:, position].str.contains("\r", regex=False).eq(True).any() for position in _texts(safe))
    quoting: Literal[0, 2] = (
        csv.QUOTE_NONNUMERIC if returns or any("\r" in str(name) for name in safe) else csv.QUOTE_MINIMAL
    )
    safe.to_csv(out, index=False, header=header, float_format=float_format, quoting=quoting)


def _texts(table: pd.DataFrame) -> list[int]:
    kinds = enumerate(table.dtypes)
    return [at for at, kind in kinds if is_object_dtype(kind) or is_string_dtype(kind)]


def _changed(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    table = table.copy(deep=False)
    for position in _texts(table):
        values = table.iloc[:, position].tolist()
        changed = [change(value) if isinstance(value, str) else value for value in values]
        if changed != values:
            table.isetitem(position, changed)
    return table
