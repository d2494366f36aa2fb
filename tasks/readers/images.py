"""Decodes images to grey levels, upright and of bounded size, or raises with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from faces.common.pixel_text import MIN_SIDE
from tasks.common.errors import UnreadableInput, content_errors
from tasks.readers.image_headers import check_bounds

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""The only formats that are decoded, for training and for scoring; MPO, as phones write it, is opened as JPEG.

Pillow decodes many more, and starts Ghostscript for one of them.
"""
MAX_SIDE = 32_766
"""Pixels of the longer side; OpenCV does not warp a larger image."""
BAND = 64
"""Rows that are converted from 32 to 8 bits at a time."""

# Pillow's own limit applies to every image that is opened; `max_image_pixels` is checked before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None


@contextmanager
def open_image(content: bytes) -> Iterator[Image.Image]:
    """An opened image, not decoded yet. Its format is determined from its bytes, never from a file's name.

    Raises UnreadableInput if the bytes are in none of FORMATS, truncated or corrupt, also when the block finds it.
    """
    if not content:
        raise UnreadableInput("is empty")
    check_bounds(content)
    with content_errors("is truncated or corrupt"):
        try:
            image = Image.open(BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError:
            raise UnreadableInput("is not an image of the formats jpg, png, webp, bmp, tiff and gif") from None
        with image:
            yield image


def grey_levels(content: bytes, max_image_pixels: int) -> np.ndarray:
    """Grey levels (H, W) uint8, rotated upright by its EXIF tag; the first of several frames, the upper 8 of 16 bits.

    Raises UnreadableInput if the bytes are not an image, truncated, corrupt, too small or too large. An image whose
    header declares it too large is not decoded.
    """
    with open_image(content) as image:
        _check_size(image, max_image_pixels)
        # Decodes a JPEG to grey directly, not to colours first.
        image.draft("L", image.size)
        return _grey(ImageOps.exif_transpose(image))


def _check_size(image: Image.Image, max_image_pixels: int) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise UnreadableInput(f"{width}x{height} pixels: too small for a face")
    if width * height > max_image_pixels:
        raise UnreadableInput(f"{width}x{height} pixels are more than score.max_image_pixels; make it smaller")
    if max(width, height) > MAX_SIDE:
        raise UnreadableInput(f"{width}x{height} pixels: a side over {MAX_SIDE:,}; make it smaller")
    # A small TIFF may be stored in a large tile, which is decoded as a whole.
    tile = [getattr(image, "tag_v2", {}).get(tag, 1) for tag in (322, 323)]
    if tile[0] * tile[1] > max_image_pixels:
        raise UnreadableInput(f"a tile of {tile[0]}x{tile[1]} pixels is more than score.max_image_pixels")


def _grey(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        return (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
    if image.mode in ("I", "F"):
        return _upper_bits(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # Transparent pixels may have any colour.
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return np.asarray(image.convert("L"))


def _upper_bits(values: np.ndarray) -> np.ndarray:
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= 65535):  # also true for NaN
        raise UnreadableInput("has values beyond 16 bits")
    scale = 257 if highest > 255 else 1
    bands = (values[start : start + BAND].astype(np.float64) for start in range(0, len(values), BAND))
    return np.concatenate([(band / scale).astype(np.uint8) for band in bands])
