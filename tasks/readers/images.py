"""Pictures as grey levels: upright, of bounded size, or a reason why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tasks.common.errors import Unusable, content_errors
from tasks.readers.image_headers import check_bounds

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""The only decoders that bytes are given to, for training and for scoring; MPO, as phones write it, is opened as JPEG.

Pillow has decoders for many more, and starts Ghostscript for one of them.
"""
SMALLEST = 16
"""Pixels of the shorter side, under which nothing of a face can be told."""
LONGEST = 32_766
"""Pixels of the longer side, above which OpenCV cuts nothing out."""
BAND = 64
"""Rows that are brought from 32 to 8 bits at one time."""

# Pillow's own limit warns or refuses by the pixels of all it opens; `most_pixels` is checked before any are decoded.
Image.MAX_IMAGE_PIXELS = None


@contextmanager
def opened_picture(content: bytes) -> Iterator[Image.Image]:
    """A picture of which nothing is decoded yet. Its bytes decide what it is, never a file's name.

    Raises Unusable where they are none of FORMATS, cut off or spoilt, also where that shows in the block only.
    """
    if not content:
        raise Unusable("is empty")
    check_bounds(content)
    with content_errors("is cut off or spoilt"):
        try:
            picture = Image.open(BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError:
            raise Unusable("is no picture, or not one of jpg, png, webp, bmp, tiff and gif") from None
        with picture:
            yield picture


def grey_levels(content: bytes, most_pixels: int) -> np.ndarray:
    """(H, W) uint8, turned upright as its EXIF says; of several frames the first, of 16 bits the upper 8.

    Raises Unusable where the bytes are no picture, cut off, spoilt, too small or too large. Nothing is decoded of a
    picture that says of itself that it is too large.
    """
    with opened_picture(content) as picture:
        _check_size(picture, most_pixels)
        # A JPEG is not decoded into colours first.
        picture.draft("L", picture.size)
        return _grey(ImageOps.exif_transpose(picture))


def _check_size(picture: Image.Image, most_pixels: int) -> None:
    width, height = picture.size
    if min(width, height) < SMALLEST:
        raise Unusable(f"{width}x{height} pixels: too small for a face")
    if width * height > most_pixels:
        raise Unusable(f"{width}x{height} pixels are more than score.most_pixels; make it smaller")
    if max(width, height) > LONGEST:
        raise Unusable(f"{width}x{height} pixels: a side over {LONGEST:,}; make it smaller")
    # A small TIFF may lie in a large tile, which is decoded whole.
    tile = [getattr(picture, "tag_v2", {}).get(tag, 1) for tag in (322, 323)]
    if tile[0] * tile[1] > most_pixels:
        raise Unusable(f"a tile of {tile[0]}x{tile[1]} pixels is more than score.most_pixels")


def _grey(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I;16"):
        return (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
    if picture.mode in ("I", "F"):
        return _upper_bits(np.asarray(picture))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        # What is transparent may hold any colour beneath.
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return np.asarray(picture.convert("L"))


def _upper_bits(values: np.ndarray) -> np.ndarray:
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= 65535):  # nor is it where one is no number
        raise Unusable("has values beyond 16 bits")
    scale = 257 if most > 255 else 1
    bands = (values[start : start + BAND].astype(np.float64) for start in range(0, len(values), BAND))
    return np.concatenate([(band / scale).astype(np.uint8) for band in bands])
