"""Grey levels of pixels whose range is unknown, as of 16-bit and floating-point images: right, or refused."""

import numpy as np

BYTE, WORD = 255, 65535
"""White at 8 and at 16 bits."""
LEAST_SHARE = 0.25
"""Of white, that the largest value of an image must exceed. The deepest values that cameras and scanners store unscaled
in 16 bits have 14, which is a quarter. An image that really is darker has no level above 64, so no face is lost."""
BAND = 64
"""Rows that are converted at a time, to bound the memory."""
ZERO_OR_ONE = "all pixels are 0 or 1: multiply them by 255"


def levels_of(values: np.ndarray, white: int | None = None) -> np.ndarray:
    """Grey levels (H, W) uint8, the nearest ones, of values (H, W): integers or floating-point numbers, no masked ones.

    `white` is the value of white, where it is known; otherwise the largest value tells. Raises ValueError, with the
    reason and the remedy, if it does not: for NaN, infinity, negative values, and values that use little of a range.
    """
    lowest, highest = values.min(), values.max()
    if not np.isfinite([lowest, highest]).all():
        raise ValueError("has pixels that are NaN or infinite; save it with 8 bits")
    if lowest < 0:
        raise ValueError(f"has negative pixels, down to {lowest:g}; save it with 8 bits")
    scale = BYTE / (white or white_of(highest, values.dtype.kind == "f"))
    bands = (values[start : start + BAND].astype(np.float64) for start in range(0, len(values), BAND))
    return np.concatenate([np.rint(band * scale).astype(np.uint8) for band in bands])


def white_of(highest: float, is_real: bool) -> int:
    """The value of white of an image with this largest value: 255, 65535, or 1 for floating-point numbers.

    Raises ValueError if it may be any of two.
    """
    if is_real and highest <= 1:
        return 1
    if highest <= BYTE:
        # Integers up to 255 have 8 bits: at 16, nothing but black would be left.
        if highest == 1 or (is_real and highest <= LEAST_SHARE * BYTE):
            raise ValueError(range_unknown(highest, "1 or 255"))
        return BYTE
    if highest > WORD:
        raise ValueError(f"has pixels up to {highest:g}, beyond 16 bits; save it with 8 bits")
    if highest <= LEAST_SHARE * WORD:
        raise ValueError(range_unknown(highest, "255 or 65535"))
    return WORD


def range_unknown(highest: float, whites: str) -> str:
    """The reason against an image whose largest value does not tell its range."""
    return f"has pixels up to {highest:g}, which does not tell whether white is {whites}; save it with 8 bits"


def level_problem(image: np.ndarray) -> str | None:
    """Why no face can be in an image (H, W) uint8, whatever its size: it has one level, or two neighbouring ones.

    Only 0 and 1 are a range of 0..1 that was stored as integers, of which the fractions are lost.
    """
    lowest, highest = int(image.min()), int(image.max())
    if highest - lowest > 1:
        return None
    if (lowest, highest) == (0, 1):
        return ZERO_OR_ONE
    return f"all pixels have the level {' or '.join(map(str, dict.fromkeys((lowest, highest))))}: no face"
