"""Find the columns of a table: the pixels by what its cells hold, where names decide between equals; others by name."""

import re
import shlex

import numpy as np
import pandas as pd

from faces.common.pixel_text import MIN_SIDE, decode_squares

PIXEL_NAMES = ("pixels", "pixel", "image", "images", "img", "imgs")
"""Usual names of such a column, in any case."""
IMAGE_NAMES = ("image", "img", "image_bytes", "img_bytes", "bytes", *PIXEL_NAMES)
"""Usual names of a column of images in tables that hold any type, the likeliest first."""
ALIASES = {"emotion": ("label", "labels"), "Usage": ("split",)}
"""Other names of a column, where the table has none of its name."""
RESERVED = ("", "row", "reasons")
"""Names that readers give to columns of their own."""
MAX_DECODED = 8
"""Cells of a column that are decoded to choose it."""
SHOWN = 8
"""Columns that a message lists."""

_NUMBERS = re.compile(r"[][ \t\r\n]*+(?:[0-9.eE+-]++[][ \t\r\n,;]++){20}")
_FILE = re.compile(r"[^ \t\r\n]+\.(?:jpe?g|png|bmp|webp|tiff?|gif)", re.IGNORECASE)
_PIXEL_NUMBER = re.compile(r"(?!unnamed)[a-z_]*[ ._-]?\d+(?:[x_]\d+)?", re.IGNORECASE)


def looks_like_pixels(text: str) -> bool:
    """Whether a cell begins as the pixels of the smallest face do, and is as long."""
    return len(text) >= 2 * MIN_SIDE**2 - 1 and _NUMBERS.match(text[:1000]) is not None


def pixel_column(sample: pd.DataFrame) -> str | None:
    """The text column of a table's first rows that holds pixels; None if there is none.

    Without such a cell, a column of a usual name counts as one, unless it holds file names.
    """
    ranked = sorted((_rank(sample[name]) for name in sample), reverse=True)
    return ranked[0][-1] if ranked and ranked[0][0] else None


def _rank(column: pd.Series) -> tuple[int, int, int, str]:
    """Sorts columns: 2 for pixels and 1 for a usual name, images of some cells, place among names; and the name."""
    name = str(column.name)
    place = PIXEL_NAMES.index(name.lower()) if name.lower() in PIXEL_NAMES else len(PIXEL_NAMES)
    cells = [text for text in column.tolist() if looks_like_pixels(text)]
    images = sum(isinstance(image, np.ndarray) for image in decode_squares(cells[:MAX_DECODED]))
    if cells:
        return 2, images, -place, name
    return int(place < len(PIXEL_NAMES) and not holds_files(column)), 0, -place, name


def holds_files(column: pd.Series) -> bool:
    """Whether a cell of a text column is the name of an image file."""
    return any(_FILE.fullmatch(text.strip()) for text in column.tolist() if len(text) < 1000)


def header_problem(names: list[str]) -> str | None:
    """What is wrong with a header whatever the columns mean, and the remedy; None if nothing is."""
    if any(looks_like_pixels(name) for name in names):
        return "its first line is pixels, not a header; put the names of the columns above, such as emotion,pixels"
    mark = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), None)
    if mark:
        return f"found {listed(names)}; separate the cells by commas, not by {mark!r}"
    return None


def no_pixels_problem(sample: pd.DataFrame) -> str:
    """Why no column of a table's first rows holds pixels: its columns, and what is needed."""
    if len(numbered := [str(name) for name in sample if _PIXEL_NUMBER.fullmatch(str(name))]) >= MIN_SIDE**2:
        return (
            f"has one pixel per column ({numbered[0]} ... {numbered[-1]}); join them, separated by blanks, into one "
            "column pixels"
        )
    files = next((str(name) for name in sample if holds_files(sample[name])), None)
    if files:
        return f"its column {files} holds names of image files, and none holds pixels; give the folder of these files"
    return (
        f"no column holds pixels; found {listed([*map(str, sample)])}; a cell of such a column, pixels or Image, is "
        "the integers 0..255 of a square face, such as 2304 for 48x48, separated by blanks"
    )


def repeated_problem(found: list[str], places: list[int]) -> str:
    """Which columns at these places have one name, in any case, and the remedy."""
    first, second = (found[place] for place in places[:2])
    if first == second:
        return f"column {first} is repeated; remove one"
    return f"columns {first} and {second} have the same name but for its case; remove one"


def missing_problem(missing: list[str], needed: list[str], found: list[str], source: str) -> str:
    """What columns are missing among those that were found, and the remedy; `source` may be a table without labels."""
    some = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
    has_pixels = not {name.strip().lower() for name in found}.isdisjoint(IMAGE_NAMES)
    is_unlabelled = has_pixels and {*missing} >= {name for name in needed if name.lower() not in PIXEL_NAMES}
    remedy = f"; {predicting(source)}" if is_unlabelled else ""
    return f"no column {some}; found {listed(found)}; add or rename them{remedy}"


def predicting(source: str) -> str:
    """What to do with faces without labels."""
    return f"if the faces have no labels, predict them: `faces score {shlex.quote(source)}`"


def listed(names: list[str]) -> str:
    """Names of columns for a message, few and short: without a header, a row of pixels is in its place."""
    some = ", ".join(name if len(name) <= 40 else f"{name[:40]} ..." for name in names[:SHOWN])
    return some + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def places_of(found: list[str], column: str) -> list[int]:
    """The places of a column by its name, else by the name in another case, else by an alias."""
    exact = [place for place, name in enumerate(found) if name == column]
    words = (column.lower(), *ALIASES.get(column, ()))
    others = ([place for place, name in enumerate(found) if name.lower() == word] for word in words)
    return exact or next(filter(None, others), [])


def named(found: list[str], place: int | None, column: str) -> list[str]:
    """The names with that at `place` changed to `column`; another column of this name gets its place's number."""
    if place is None:
        return found
    others = [f"{name}.{number}" if name == column else name for number, name in enumerate(found, start=1)]
    return [*others[:place], column, *others[place + 1 :]]


def distinct(found: list[str]) -> list[str]:
    """Unique names: unnamed, repeated and reserved columns keep their place, so that a quarantined row is complete."""
    names: list[str] = []
    for position, column in enumerate(found, start=1):
        name = column if column not in RESERVED and found.count(column) == 1 else f"{column or 'unnamed'}.{position}"
        while name in names or (name != column and name in found):
            name += f".{position}"
        names.append(name)
    return names
