"""How a frame is displayed: bounds of its size, and quarter turns. Standard library only."""

import struct
from typing import Any

MIN_SIDE, MAX_SIDE = 16, 32_766
"""Pixels, as of images."""


class Refused(Exception):
    """Why a video, or the rest of it, is not read."""


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise Refused for a frame that is too small or too large."""
    size = f"{width}x{height} pixels"
    if 0 < min(width, height) < MIN_SIDE:
        raise Refused(f"{size}: too small for a face")
    if width * height > max_pixels:
        raise Refused(f"{size} are more than score.max_image_pixels; make it smaller")
    if max(width, height) > MAX_SIDE:
        raise Refused(f"{size}: a side over {MAX_SIDE:,}; make it smaller")


def turn_of(frame: Any) -> tuple[bool, bool, bool]:
    """Whether a frame is shown transposed, then flipped left to right, then upside down: the nearest quarter turn.

    The display matrix (ISO 14496-12, 6.2.2) maps a stored place (p, q) to (a p + c q, b p + d q).
    """
    found = frame.side_data.get("DISPLAYMATRIX")
    if not found:
        return False, False, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(found)[:36])
    is_transposed = abs(a) + abs(d) < abs(b) + abs(c)
    return is_transposed, (c if is_transposed else a) < 0, (b if is_transposed else d) < 0
