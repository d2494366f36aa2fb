"""Decodes the pictures of a training set to the size that the emotion model takes."""

import numpy as np

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from tasks.common.errors import UnreadableInput
from tasks.readers.images import grey_levels

MAX_PIXELS = 10**8


def face_pixels(content: bytes) -> np.ndarray:
    """The grey levels (48, 48) uint8 of a square picture. Raises UnreadableInput if it is none."""
    return resize_images(square_pixels(content)[None], SIZES["emotion"])[0]


def square_pixels(content: bytes) -> np.ndarray:
    """The grey levels (side, side) uint8 of a square picture. Raises UnreadableInput if it is none."""
    image = grey_levels(content, MAX_PIXELS)
    height, width = image.shape
    if height != width:
        raise UnreadableInput(f"{width}x{height} pixels: not square")
    return image
