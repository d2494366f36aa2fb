"""Parse the pixel text of both published tables into arrays: integers separated by blanks, row by row."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

SIZES = {"keypoints": 96, "emotion": 48}
"""Side of each table's square images, in pixels."""

BLANKS = " \t\r\n"

# ASCII digits and blanks only: NumPy's parser accepts no others, so a no-break space must not reach it. At most 18
# digits after leading zeros: NumPy parses every number beyond int64 as the same number.
_NUMBER = "-?(?:0*[1-9][0-9]{0,17}|0+)"
_WHOLE_NUMBERS = re.compile(rf"{_NUMBER}(?:[ \t\r\n]+{_NUMBER})*")
_TOO_LARGE = 10**18


def parse_pixels(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Integers of all pixel texts, concatenated, int64, and the count per text, (N,) int64.

    The count is -1 for a text that is not integers separated by blanks. Such a text contributes no integers.
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
    empty = np.empty(0, np.int64)
    numeric = [_WHOLE_NUMBERS.fullmatch(text) is not None for text in texts]
    values = [
        np.fromstring(text, np.int64, sep=" ") if is_numeric else empty
        for text, is_numeric in zip(texts, numeric, strict=True)
    ]
    counts = [len(each) if is_numeric else -1 for each, is_numeric in zip(values, numeric, strict=True)]
    return np.concatenate([empty, *values]), np.array(counts, np.int64)


def pixel_checks(texts: Sequence[str]) -> pd.DataFrame:
    """Statistics of each pixel text: `numeric`, `count`, `minimum`, `maximum`, `deviation`; NaN where undefined.

    `deviation` is the standard deviation of the text's integers, in grey levels.
    """
    values, counts = parse_pixels(texts)
    numeric = counts > 0
    sizes = counts[numeric]
    checks = pd.DataFrame({"numeric": numeric, "count": np.where(numeric, counts, np.nan)})
    columns = ["minimum", "maximum", "deviation"]
    checks[columns] = np.nan
    if numeric.any():
        starts = np.cumsum(sizes) - sizes
        # As float: the square of an invalid pixel value may overflow int64.
        grey = values.astype(float)
        mean, square = (np.add.reduceat(each, starts) / sizes for each in (grey, grey * grey))
        deviations = np.sqrt(np.maximum(square - mean * mean, 0))
        each = [np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts), deviations]
        checks.loc[numeric, columns] = np.stack(each, axis=1).astype(float)
    return checks


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
