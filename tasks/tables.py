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
CHUNK_ROWS = 1000


def columns(path: Path, head: str) -> list[str]:
    """The header of a raw table, blanks around names removed. Raises InputError where it is not `head`'s."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file; set ingest.{head} in params.yaml to the {head} CSV")
    if not path.is_file():
        raise InputError(f"{path}: this is not a file; name the {head} CSV itself")
    try:
        # The header as a row: as a header, pandas would rename a column that stands there twice.
        first = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty; a header and rows are needed") from None
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"{path}, header: not readable as CSV text ({error}); export it as UTF-8 CSV") from None
    found = [str(name).strip() for name in first.iloc[0]]
    missing = [name for name in COLUMNS[head] if name not in found]
    if missing:
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise InputError(f"{path}, header: no column {shown}; found {', '.join(found[:6])}; add or rename them")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"{path}, header: column {twice[0]} stands there twice; remove one")
    return found


def read_raw(path: Path, head: str) -> Iterator[pd.DataFrame]:
    """Chunks of a raw table as text, with `row` (1 = first row under the header) and the columns that `head` knows.

    An empty cell is "". Raises InputError, naming file and line, where the text is no CSV.
    """
    names = columns(path, head)
    kept = [name for name in names if name in COLUMNS[head] + OPTIONAL[head]]
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
                encoding="utf-8-sig",
                chunksize=CHUNK_ROWS,
            ) as reader,
        ):
            # A row of more cells than the header would lose the rest with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            for chunk in reader:
                chunk = chunk[kept].fillna("")
                chunk.insert(0, "row", range(rows + 1, rows + len(chunk) + 1))
                rows += len(chunk)
                yield chunk
    except pd.errors.ParserWarning:
        raise InputError(f"{path}, after row {rows}: a row has more cells than the header; quote or mend it") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, after row {rows}: not readable as CSV ({str(error).strip()}); mend it") from None
    if rows == 0:
        raise InputError(f"{path}: there is a header but no row; rows are needed")
