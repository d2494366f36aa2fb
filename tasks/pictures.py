"""Pictures as grey levels: upright, of bounded size, or a reason why not."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tasks.sources import Unusable

SMALLEST = 16
"""Pixels of the shorter side, under which nothing of a face can be told."""

# Pillow's own limit warns or refuses by the pixels of all it opens; `most_pixels` is checked before any are decoded.
Image.MAX_IMAGE_PIXELS = None


def grey_levels(content: bytes, most_pixels: int) -> np.ndarray:
    """(H, W) uint8, turned upright as its EXIF says; of several frames the first, of 16 bits the upper 8.

    Raises Unusable where the bytes are no picture, cut off, spoilt, too small or too large. Nothing is decoded of a
    picture that says of itself that it is too large.
    """
    if not content:
        raise Unusable("is empty")
    try:
        with Image.open(BytesIO(content)) as picture:
            width, height = picture.size
            if min(width, height) < SMALLEST:
                raise Unusable(f"{width}x{height} pixels: too small for a face")
            if width * height > most_pixels:
                raise Unusable(f"{width}x{height} pixels are more than score.most_pixels; make it smaller")
            # A JPEG is not decoded into colours first.
            picture.draft("L", picture.size)
            return _grey(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError:
        raise Unusable("is no picture, or one of a kind that is not read") from None
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError) as error:
        raise Unusable(f"is cut off or spoilt ({error})") from None


def _grey(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I;16"):
        return (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
    if picture.mode in ("I", "F"):
        values = np.asarray(picture, np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise Unusable("has values beyond 16 bits")
        return (values / 257 if values.max() > 255 else values).astype(np.uint8)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        # What is transparent may hold any colour beneath.
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return np.asarray(picture.convert("L"))
