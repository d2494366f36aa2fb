"""Reads the two raw CSV layouts, in chunks, with errors that say where and what to do."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from faces.labels import COORDINATES
from tasks.files import InputError

COLUMNS = {"keypoints": [*COORDINATES, "Image"], "emotion": ["emotion", "pixels"]}
OPTIONAL = {"keypoints": ["person"], "emotion": ["Usage"]}
PIXELS = {"keypoints": "Image", "emotion": "pixels"}
OURS = ("", "row", "reasons")
CHUNK_ROWS = 1000


def header(path: Path, shown: str | None = None) -> list[str]:
    """The column names of a CSV, blanks around them removed. `shown` is what errors call the file.

    Raises InputError where there is no readable header.
    """
    name = shown or str(path)
    if not path.exists():
        raise InputError(f"{name}: there is no such file; correct the path in params.yaml")
    if not path.is_file():
        raise InputError(f"{name}: this is not a file; name the CSV itself")
    try:
        # The header as a row: as a header, pandas would rename a column that stands there twice.
        first = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise InputError(f"{name}: the file is empty; a header and rows are needed") from None
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"{name}, header: not readable as CSV text ({error}); export it as UTF-8 CSV") from None
    return [str(column).strip() for column in first.iloc[0]]


def columns(path: Path, head: str, shown: str | None = None) -> list[str]:
    """The header of a raw table, every name once. Raises InputError where it is not `head`'s."""
    name, found = shown or str(path), header(path, shown)
    missing = [column for column in COLUMNS[head] if column not in found]
    if missing:
        some = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise InputError(f"{name}, header: no column {some}; found {', '.join(found[:6])}; add or rename them")
    twice = [column for column in COLUMNS[head] + OPTIONAL[head] if found.count(column) > 1]
    if twice:
        raise InputError(f"{name}, header: column {twice[0]} stands there twice; remove one")
    # Columns that nobody reads are kept for the quarantine; they may be unnamed, stand there twice, or be called ours.
    return [
        column if column not in OURS and found.count(column) == 1 else f"{column or 'unnamed'}.{position}"
        for position, column in enumerate(found, start=1)
    ]


def read_raw(path: Path, head: str) -> Iterator[pd.DataFrame]:
    """Chunks of a raw table as text, with `row` (1 = the line under the header) before the columns of the file.

    An empty cell is "". Raises InputError, naming file and line, where the text is no CSV.
    """
    names = columns(path, head)
    rows = 0
    try:
        with (
            warnings.catch_warnings(),
            pd.read_csv(
                path,
                names=names,
                header=0,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
                encoding="utf-8-sig",
                chunksize=CHUNK_ROWS,
            ) as reader,
        ):
            # A row of more cells than the header would lose the rest with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            for chunk in reader:
                chunk = chunk.fillna("")
                chunk.insert(0, "row", range(rows + 1, rows + len(chunk) + 1))
                rows += len(chunk)
                yield chunk
    except pd.errors.ParserWarning:
        raise InputError(f"{path}, after row {rows}: a row has more cells than the header; quote or mend it") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, after row {rows}: not readable as CSV ({str(error).strip()}); mend it") from None
    if rows == 0:
        raise InputError(f"{path}: there is a header but no row; rows are needed")
