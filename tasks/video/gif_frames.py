"""Reads the frames of an animated GIF, each drawn on those before it, and on white where it is transparent."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from faces.scoring.frame_sampling import Timed
from tasks.common.errors import UnreadableInput, content_errors
from tasks.video.display import Refused, check_size

SHORTEST_MS, INSTEAD_MS = 10, 100
"""A frame that is to be shown no longer than this is shown for 0.1 s, as browsers do."""
DAMAGED = "is truncated or corrupt"


def gif_frames(gif: BinaryIO, max_pixels: int, mode: str) -> Iterator[Timed]:
    """Frames (H, W) uint8 for mode L, (H, W, 3) for RGB. Raises UnreadableInput where the file is damaged."""
    with content_errors(DAMAGED), Image.open(gif, formats=("GIF",)) as image:
        number, milliseconds = 0, 0
        while _found(image, number):
            try:
                check_size(*image.size, max_pixels)
            except Refused as error:
                raise UnreadableInput(str(error)) from None
            shown = image.convert("RGBA")
            pixels = np.asarray(Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert(mode))
            yield Timed(number, milliseconds / 1000, pixels)
            duration = int(image.info.get("duration", 0))
            milliseconds += duration if duration > SHORTEST_MS else INSTEAD_MS
            number += 1


def count_gif_frames(gif: BinaryIO) -> int:
    """The number of frames, without decoding them. Raises UnreadableInput for a damaged file."""
    with content_errors(DAMAGED), Image.open(gif, formats=("GIF",)) as image:
        return int(getattr(image, "n_frames", 1))


def _found(image: Image.Image, number: int) -> bool:
    try:
        image.seek(number)
    except EOFError:
        return False
    return True
