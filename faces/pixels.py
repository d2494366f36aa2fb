"""Pixel text to arrays, as both published tables hold it: blank-separated whole numbers, row by row."""

import re

import numpy as np

SIZES = {"keypoints": 96, "emotion": 48}
"""Side of each table's square images, in pixels."""

# ASCII digits and blanks only: NumPy's parser knows no others, so a no-break space must not get so far.
_WHOLE_NUMBERS = re.compile(r"[ \t\r\n]*-?[0-9]{1,18}(?:[ \t\r\n]+-?[0-9]{1,18})*[ \t\r\n]*")


def parse_pixels(text: str) -> np.ndarray | None:
    """The numbers of one pixel text, (n,) int64; None where something in it is not a whole number."""
    if _WHOLE_NUMBERS.fullmatch(text) is None:
        return None
    return np.fromstring(text, dtype=np.int64, sep=" ")


def pixel_facts(values: np.ndarray | None) -> dict[str, float | bool]:
    """What the rules judge a pixel text by: whether numeric, count, minimum, maximum, range; NaN where undefined."""
    if values is None:
        return {"numeric": False, "count": np.nan, "minimum": np.nan, "maximum": np.nan, "range": np.nan}
    low, high = float(values.min()), float(values.max())
    return {"numeric": True, "count": float(values.size), "minimum": low, "maximum": high, "range": high - low}


def as_image(values: np.ndarray | None, size: int) -> np.ndarray | None:
    """(size, size) uint8, or None where count or range do not allow it."""
    if values is None or values.size != size * size or values.min() < 0 or values.max() > 255:
        return None
    return values.reshape(size, size).astype(np.uint8)
