"""Finds the columns of raw CSV tables, of both published layouts and of tables that are only scored."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pandas as pd

from faces.common.schema import COORDINATES
from faces.data.pixel_columns import header_problem, listed, no_pixels_problem, pixel_column
from tasks.common.files import InputError
from tasks.readers.csv_rows import distinct, header, read_rows

COLUMNS = {"keypoints": [*COORDINATES, "Image"], "emotion": ["emotion", "pixels"]}
OPTIONAL = {"keypoints": ["person"], "emotion": ["Usage", "person"]}
PIXELS = {"keypoints": "Image", "emotion": "pixels"}
UNREADABLE = "unreadable"
"""An optional column: why a row has no pixels, from what read its image; empty for a row that has."""
ALIASES = {"emotion": ("label", "labels")}
"""Other names of a column, where the table has none of its name."""


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
    for column in wanted:
        if column not in found and column != PIXELS[model_name]:
            found = _named(found, _position(found, column), column)
    _require(name, found, [column for column in COLUMNS[model_name] if column != PIXELS[model_name]])
    names = distinct(found)
    sample = next(read_rows(path, names, shown)).drop(columns="row")
    chosen = pixel_column(sample[[each for each in names if each not in wanted or each == PIXELS[model_name]]])
    if chosen is None:
        raise InputError(f"{name}, header: {no_pixels_problem(sample)}")
    return distinct(_named(names, names.index(chosen), PIXELS[model_name]))


def _position(found: list[str], column: str) -> int | None:
    """The place of a column by a name in another case, or by an alias; None if there is none."""
    for other in (column.lower(), *ALIASES.get(column, ())):
        places = [place for place, name in enumerate(found) if name.lower() == other]
        if len(places) == 1:
            return places[0]
    return None


def _named(found: list[str], place: int | None, column: str) -> list[str]:
    """The names with that at `place` changed to `column`; another column of this name gets its place's number."""
    if place is None:
        return found
    others = [f"{name}.{number}" if name == column else name for number, name in enumerate(found, start=1)]
    return [*others[:place], column, *others[place + 1 :]]


def _require(name: str, found: list[str], needed: list[str]) -> None:
    missing = [column for column in needed if column not in found]
    if missing:
        some = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise InputError(f"{name}, header: no column {some}; found {listed(found)}; add or rename them")


def read_raw(path: Path, model_name: str) -> Iterator[pd.DataFrame]:
    """Chunks of a raw table as text, as `read_rows` reads them, with the names of `columns`."""
    yield from read_rows(path, columns(path, model_name))


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
