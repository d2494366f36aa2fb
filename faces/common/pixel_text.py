"""Pixel text to arrays, as both published tables hold it: blank-separated whole numbers, row by row."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

SIZES = {"keypoints": 96, "emotion": 48}
"""Side of each table's square images, in pixels."""

BLANKS = " \t\r\n"

# ASCII digits and blanks only: NumPy's parser knows no others, so a no-break space must not get so far. Up to 18 digits
# after the zeros, for it makes of all that is too large one and the same number.
_NUMBER = "-?(?:0*[1-9][0-9]{0,17}|0+)"
_WHOLE_NUMBERS = re.compile(rf"{_NUMBER}(?:[ \t\r\n]+{_NUMBER})*")
_TOO_LARGE = 10**18


def parse_pixels(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all pixel texts, one after the other, int64, and how many each text holds, (N,) int64.

    A text in which something is not a whole number counts -1 and gives no numbers.
    """
    stripped = [text.strip(BLANKS) for text in texts]
    together = "\n".join(stripped).encode("utf-8", "surrogatepass")
    if _plain(stripped, together):
        # One call for all rows: it takes a line break for a blank, and plain texts have one blank between two numbers.
        values = np.fromstring(together, np.int64, sep=" ")
        if values.max() < _TOO_LARGE:
            return values, np.array([text.count(" ") + 1 for text in stripped])
    return _parse_each(stripped)


def _plain(texts: list[str], together: bytes) -> bool:
    """Whether the texts are digits and single blanks alone, none of them empty."""
    return (
        all(texts)
        and not together.translate(None, b"0123456789 \n")
        and b"  " not in together
        and together.count(b"\n") == len(texts) - 1
    )


def _parse_each(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    none = np.empty(0, np.int64)
    numeric = [_WHOLE_NUMBERS.fullmatch(text) is not None for text in texts]
    values = [
        np.fromstring(text, np.int64, sep=" ") if is_numeric else none
        for text, is_numeric in zip(texts, numeric, strict=True)
    ]
    counts = [len(each) if is_numeric else -1 for each, is_numeric in zip(values, numeric, strict=True)]
    return np.concatenate([none, *values]), np.array(counts, np.int64)


def pixel_facts(texts: Sequence[str]) -> pd.DataFrame:
    """What the rules judge pixel texts by: `numeric`, `count`, `minimum`, `maximum`, `deviation`; NaN where undefined.

    The deviation is the standard deviation over a text's numbers, in grey levels.
    """
    values, counts = parse_pixels(texts)
    numeric = counts > 0
    sizes = counts[numeric]
    facts = pd.DataFrame({"numeric": numeric, "count": np.where(numeric, counts, np.nan)})
    columns = ["minimum", "maximum", "deviation"]
    facts[columns] = np.nan
    if numeric.any():
        starts = np.cumsum(sizes) - sizes
        # As float: the square of what stands where a pixel should may exceed any whole number.
        grey = values.astype(float)
        mean, square = (np.add.reduceat(each, starts) / sizes for each in (grey, grey * grey))
        deviations = np.sqrt(np.maximum(square - mean * mean, 0))
        each = [np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts), deviations]
        facts.loc[numeric, columns] = np.stack(each, axis=1).astype(float)
    return facts


def decode_images(texts: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (M, size, size) uint8 of the usable texts, in order, and which of the texts are usable, (N,) bool.

    Usable is a text of size * size whole numbers of 0..255.
    """
    values, counts = parse_pixels(texts)
    whole = counts == size * size
    images = values[np.repeat(whole[counts > 0], counts[counts > 0])].reshape(-1, size * size)
    in_range = (images.min(axis=1, initial=0) >= 0) & (images.max(axis=1, initial=0) <= 255)
    usable = whole.copy()
    usable[whole] = in_range
    return images[in_range].reshape(-1, size, size).astype(np.uint8), usable
