"""Parse pixel text into arrays: integers separated by blanks, or in brackets, by commas, or as 70.0; row by row."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

SIZES = {"keypoints": 96, "emotion": 48}
"""Side of each table's square images, in pixels."""
MIN_SIDE = 16
"""Pixels of the shorter side; no face can be recognized in a smaller image."""
BLANKS = " \t\r\n"

# ASCII digits and blanks only: NumPy's parser accepts no others, so a no-break space must not reach it. At most 18
# digits after leading zeros: NumPy parses every number beyond int64 as the same number.
_NUMBER = "-?(?:0*[1-9][0-9]{0,17}|0+)"
_WHOLE_NUMBERS = re.compile(rf"{_NUMBER}(?:[ \t\r\n]+{_NUMBER})*")
_TOO_LARGE = 10**18

_FLOAT = r"-?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]{1,3})?+"
_BLANK = r"[ \t\r\n]"
_COMMA = rf"(?:{_BLANK}++|{_BLANK}*+(?:[,;]|\]{_BLANK}*+[,;]?+{_BLANK}*+\[){_BLANK}*+)"
# What lists and arrays look like as text: [[70, 80], [90, 95]] or [70. 80.].
_NUMBERS = re.compile(rf"\[{{0,2}}{_BLANK}*+{_FLOAT}(?:{_COMMA}{_FLOAT})*+{_BLANK}*+[,;]?+{_BLANK}*+\]{{0,2}}")
_GOOD_START = re.compile(rf"(?:[][ \t\r\n,;]*+{_FLOAT}(?=[][ \t\r\n,;]|\Z))*+[][ \t\r\n,;]*+")
_WORD = re.compile(r"[^][ \t\r\n,;]{1,20}+")
_TO_BLANKS = str.maketrans("[],;", "    ")
_TO_SEPARATORS = str.maketrans("[,;\t\r\n", "      ")
# Beyond it, floats are no exact integers.
_EXACT = 2**53


def parse_pixels(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Integers of all pixel texts, concatenated, int64, and the count per text, (N,) int64.

    Integers are separated by blanks, or by commas or semicolons, with or without brackets; 70.0 is 70. The count is -1
    for any other text, which contributes no integers.
    """
    stripped = [text.strip(BLANKS) for text in texts]
    joined = "\n".join(stripped).encode("utf-8", "surrogatepass")
    if _is_plain(stripped, joined):
        # One call parses all rows: a line break is a blank, and plain texts have a single blank between integers.
        values = np.fromstring(joined, np.int64, sep=" ")
        if values.max() < _TOO_LARGE:
            return values, np.array([text.count(" ") + 1 for text in stripped])
    return _parse_each(stripped)


def _is_plain(texts: list[str], joined: bytes) -> bool:
    """Whether every text consists of digits and single blanks and none is empty."""
    return (
        all(texts)
        and not joined.translate(None, b"0123456789 \n")
        and b"  " not in joined
        and joined.count(b"\n") == len(texts) - 1
    )


def _parse_each(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    parsed = [_parse_one(text) for text in texts]
    counts = [-1 if each is None else len(each) for each in parsed]
    values = [each for each in parsed if each is not None]
    return np.concatenate([np.empty(0, np.int64), *values]), np.array(counts, np.int64)


def _parse_one(text: str) -> np.ndarray | None:
    if _WHOLE_NUMBERS.fullmatch(text):
        return np.fromstring(text, np.int64, sep=" ")
    values = _floats(text)
    return None if values is None or _fraction_problem(values) else values.astype(np.int64)


def _floats(text: str) -> np.ndarray | None:
    """The numbers of a text, float64, infinite where too large; None if it holds anything else."""
    is_list = text.count("[") == text.count("]") and _NUMBERS.fullmatch(text) and not _shape_problem(text)
    return np.fromstring(text.translate(_TO_BLANKS), np.float64, sep=" ") if is_list else None


def _shape_problem(text: str) -> str | None:
    """What is wrong with the rows of a text of numbers with brackets inside; None if nothing is, or there are none."""
    if "[" not in text.lstrip("[" + BLANKS):
        return None
    characters = np.frombuffer(text.translate(_TO_SEPARATORS).encode("ascii", "replace"), np.uint8)
    inside = ~np.isin(characters, (ord(" "), ord("]")))
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    ends = np.searchsorted(starts, np.flatnonzero(characters == ord("]")))
    widths = np.diff(ends, prepend=0, append=len(starts))
    return rows_problem(widths[widths > 0])


def rows_problem(widths: np.ndarray) -> str | None:
    """Why rows of pixels, whose numbers are `widths` (H,), are no square; None if they are, or were joined to one."""
    if len(widths) < 2:
        return None
    if widths.min() != widths.max():
        return f"rows of {widths.min():,} to {widths.max():,} pixels: all must be as long"
    return f"{widths[0]}x{len(widths)} pixels: not square" if widths[0] != len(widths) else None


def text_problem(text: str) -> str:
    """What a text that `parse_pixels` refuses holds instead of integers, and the remedy if there is one."""
    text = text.strip(BLANKS)
    if not text:
        return "empty"
    if "..." in text or "\u2026" in text:
        return "shortened by '...', write all values"
    if (values := _floats(text)) is None:
        if _NUMBERS.fullmatch(text) and (problem := _shape_problem(text)):
            return problem
        start = _GOOD_START.match(text)
        word = _WORD.match(text, start.end() if start else 0)
        return f"{word.group()!r} is not a number" if word else "irregular brackets or commas"
    return _fraction_problem(values) or ""


def _fraction_problem(values: np.ndarray) -> str | None:
    inexact = values[~(np.abs(values) < _EXACT) | (values != np.rint(values))]
    if len(inexact) and values.min() >= 0 and values.max() <= 1:
        return f"fractions up to 1, such as {inexact[0]:g}, multiply by 255 and round"
    return f"{inexact[0]:g} is not an integer of 0..255" if len(inexact) else None


def pixel_checks(texts: Sequence[str]) -> pd.DataFrame:
    """Statistics of each pixel text: `numeric`, `count`, `side`, `minimum`, `maximum`, `deviation`.

    Where undefined, they are NaN. `side` is that of a square of `count` pixels, 0 if there is none. `deviation` is the
    standard deviation of the text's integers, in grey levels.
    """
    values, counts = parse_pixels(texts)
    numeric = counts > 0
    sizes = counts[numeric]
    checks = pd.DataFrame({"numeric": numeric, "count": np.where(numeric, counts, np.nan)})
    checks["side"] = np.where(numeric, square_sides(counts), np.nan)
    checks[columns := ["minimum", "maximum", "deviation"]] = np.nan
    if numeric.any():
        starts = np.cumsum(sizes) - sizes
        # As float: the square of an invalid pixel value may overflow int64.
        grey = values.astype(float)
        mean, square = (np.add.reduceat(each, starts) / sizes for each in (grey, grey * grey))
        deviations = np.sqrt(np.maximum(square - mean * mean, 0))
        each = [np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts), deviations]
        checks.loc[numeric, columns] = np.stack(each, axis=1).astype(float)
    return checks


def square_sides(counts: np.ndarray) -> np.ndarray:
    """Sides (N,) int64 of squares of `counts` (N,) pixels; 0 where there is no such square."""
    roots = np.rint(np.sqrt(np.maximum(counts, 0))).astype(np.int64)
    return np.where(roots * roots == counts, roots, 0)


def decode_images(texts: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (M, size, size) uint8 of the valid texts, in order, and a mask (N,) bool of the valid texts.

    A valid text holds size * size integers in 0..255.
    """
    values, counts = parse_pixels(texts)
    complete = counts == size * size
    images = values[np.repeat(complete[counts > 0], counts[counts > 0])].reshape(-1, size * size)
    in_range = (images.min(axis=1, initial=0) >= 0) & (images.max(axis=1, initial=0) <= 255)
    valid = complete.copy()
    valid[complete] = in_range
    return images[in_range].reshape(-1, size, size).astype(np.uint8), valid


def decode_squares(texts: Sequence[str]) -> list[np.ndarray | str]:
    """The image of each text, (side, side) uint8 of any side from MIN_SIDE on, or the reason why it has none."""
    values, counts = parse_pixels(texts)
    ends = np.cumsum(np.maximum(counts, 0)).tolist()
    return [
        _square(values[end - count : end], side, cut_hint(text)) if count > 0 else f"no pixels: {text_problem(text)}"
        for text, end, count, side in zip(texts, ends, counts.tolist(), square_sides(counts).tolist(), strict=True)
    ]


def square_of(values: np.ndarray) -> np.ndarray | str:
    """The image (side, side) uint8 of its numbers (N,), row by row, or the reason why they are none."""
    values = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    if problem := _fraction_problem(values):
        return f"no pixels: {problem}"
    return _square(values.astype(np.int64), int(square_sides(np.array([len(values)]))[0]))


def cut_hint(text: str) -> str:
    """That a spreadsheet has cut a cell, if it has the most characters that one may have."""
    return ", cut at 32,767 characters as spreadsheets do" if len(text) == 32_767 else ""


def _square(values: np.ndarray, side: int, hint: str = "") -> np.ndarray | str:
    if not side:
        return f"{len(values):,} values are not the pixels of a square, such as 48x48 = 2,304{hint}"
    if side < MIN_SIDE:
        return f"{side}x{side} pixels: too small for a face"
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        return f"a pixel of {low if low < 0 else high}: pixels are 0..255"
    if high == 1:
        return "all pixels are 0 or 1: multiply them by 255"
    return values.astype(np.uint8).reshape(side, side)
