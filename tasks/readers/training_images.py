"""Images of a training set: decoded, and resized where the model takes one size, exactly as scoring does it."""

from collections import Counter

import numpy as np

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from faces.data.grey_levels import level_problem
from tasks.common.errors import UnreadableInput
from tasks.orchestration.artifacts import counted
from tasks.readers.images import grey_levels

SIDE = SIZES["emotion"]
MAX_PIXELS = 2**24
"""Of one training image."""
NAMED = 5
"""Sizes that the count of resized images names."""


def face_pixels(content: bytes, resized: Counter[str] | None = None) -> np.ndarray:
    """Grey levels (48, 48) uint8 of a square image; `resized` counts those of another size.

    Raises UnreadableInput if it cannot be read, is not square, too small or too large, or is constant.
    """
    return at_model_size(square_pixels(content), resized)


def at_model_size(levels: np.ndarray, resized: Counter[str] | None = None) -> np.ndarray:
    """Grey levels (side, side) uint8 as (48, 48) uint8; `resized` counts those of another size."""
    if resized is not None and len(levels) != SIDE:
        resized[f"{len(levels)}x{len(levels)}"] += 1
    return resize_images(levels[None], SIDE)[0]


def square_pixels(content: bytes) -> np.ndarray:
    """Grey levels (side, side) uint8 of a square image.

    Raises UnreadableInput if it cannot be read, is not square, too small or too large, or is constant.
    """
    levels = grey_levels(content, MAX_PIXELS, _check_square, f"{MAX_PIXELS:,}")
    if problem := level_problem(levels):
        raise UnreadableInput(problem)
    return levels


def _check_square(width: int, height: int) -> None:
    if width != height:
        raise UnreadableInput(f"{width}x{height} pixels: not square")


def resized_text(resized: Counter[str]) -> str:
    """One sentence on how many images of which sizes were resized; empty if none was."""
    if not resized:
        return ""
    sizes = [f"{size}: {count:,}" for size, count in resized.most_common(NAMED)]
    if len(resized) > NAMED:
        sizes.append(f"{counted(len(resized) - NAMED, 'size')} more")
    total = resized.total()
    what = counted(total, "picture of another square size", "pictures of other square sizes")
    return f"{what} ({', '.join(sizes)}) {'was' if total == 1 else 'were'} resized to {SIDE}x{SIDE}"
