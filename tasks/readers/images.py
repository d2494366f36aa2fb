"""Decodes images, upright and of bounded size, to grey levels for training and scoring, or to colours for display."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.AvifImagePlugin import AvifImageFile
from pillow_heif import HeifImageFile

from faces.common.pixel_text import MIN_SIDE
from faces.data.grey_levels import BYTE, LEAST_SHARE, levels_of, range_unknown
from tasks.common.errors import UnreadableInput, content_errors
from tasks.common.file_kinds import HEAD_BYTES, is_text, kind_of
from tasks.common.image_formats import image_format
from tasks.readers.image_headers import Samples, check_bounds, samples_of

FORMATS = "jpg, png, webp, bmp, tiff, gif, avif and heic"
"""The only formats that are decoded, for training and for scoring; MPO, as phones write it, is opened as JPEG.

Pillow decodes many more, and starts Ghostscript for one of them.
"""
MAX_SIDE = 32_766
"""Pixels of the longer side; OpenCV does not warp a larger image."""
ORIENTATION = 0x0112
"""EXIF tag."""

# Pillow's own limit applies to every image that is opened; `max_image_pixels` is checked before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None


def grey_levels(
    content: bytes,
    max_image_pixels: int,
    check: Callable[[int, int], None] | None = None,
    limit: str = "score.max_image_pixels",
) -> np.ndarray:
    """Grey levels (H, W) uint8, rotated upright by its EXIF tag; of several frames, the first.

    An image whose header declares it too large is not decoded, nor one whose width and height `check` refuses; `limit`
    is what the reason calls `max_image_pixels`. Raises UnreadableInput if the bytes are not an image, truncated,
    corrupt, too small or too large, or if its values do not tell which one is white.
    """
    with _opened(content) as (image, samples):
        _check_size(image, max_image_pixels, limit)
        if check:
            check(*image.size)
        if image.format in ("JPEG", "MPO"):
            # Decodes to grey directly, not to colours first.
            image.draft("L", image.size)
        return np.asarray(_displayed(image, samples, content).convert("L"))


def colours(
    content: bytes, max_image_pixels: int, max_side: int, check: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, int]:
    """Colours (H, W, 3) uint8, red first, of the same image as `grey_levels`, and its longer side in pixels.

    A JPEG is decoded at a fraction of its size if its longer side remains at least `max_side`. Raises as `grey_levels`.
    """
    with _opened(content) as (image, samples):
        _check_size(image, max_image_pixels, "score.max_image_pixels")
        if check:
            check(*image.size)
        side = max(image.size)
        if image.format in ("JPEG", "MPO") and side > max_side:
            image.draft(image.mode, (image.width * max_side // side, image.height * max_side // side))
        return np.asarray(_displayed(image, samples, content).convert("RGB")), side


def _displayed(image: Image.Image, samples: Samples, content: bytes) -> Image.Image:
    """The image upright, with 8 bits, and on white where it is transparent."""
    # OpenCV, which `_eight_bits` uses, rotates a TIFF itself.
    orientation = 1 if image.format == "TIFF" else image.getexif().get(ORIENTATION, 1)
    upright = ImageOps.exif_transpose(image)
    if samples.bits == 16 and upright.mode in ("RGB", "RGBA", "CMYK"):
        upright = _eight_bits(upright, samples, content, orientation)
    return _opaque(upright, samples)


@contextmanager
def _opened(content: bytes) -> Iterator[tuple[Image.Image, Samples]]:
    """An image, not decoded yet. Its format is determined from its bytes, never from a file's name.

    Raises UnreadableInput if the bytes are in none of FORMATS, truncated or corrupt, also when the block finds it.
    """
    if not content:
        raise UnreadableInput("is empty")
    kind = image_format(content)
    if kind is None:
        first = content[:HEAD_BYTES]
        found = kind_of(first) or ("a text file" if is_text(first) else "")
        raise UnreadableInput(
            f"is {found}; only {FORMATS} are read" if found else f"is not an image of the formats {FORMATS}"
        )
    check_bounds(content)
    with content_errors("is truncated or corrupt"):
        samples = samples_of(content)
        with _image(content, kind, samples) as image:
            yield image, samples


def _image(content: bytes, kind: str, samples: Samples) -> Image.Image:
    if kind == "HEIC":
        # Registering the format with Pillow would change the whole process.
        return HeifImageFile(BytesIO(content))
    if kind == "AVIF":
        # The error of `Image.open` does not give the reason.
        return AvifImageFile(BytesIO(content))
    try:
        return Image.open(BytesIO(content), formats=(kind,))
    except UnidentifiedImageError:
        if kind != "TIFF":
            raise UnreadableInput("is truncated or corrupt (its header)") from None
        raise UnreadableInput(
            f"is a TIFF that stores its {samples.bits} bits in a way that is not read; save it with 8 bits"
        ) from None


def _check_size(image: Image.Image, max_image_pixels: int, limit: str) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise UnreadableInput(f"{width}x{height} pixels: too small for a face")
    if width * height > max_image_pixels:
        raise UnreadableInput(f"{width}x{height} pixels are more than {limit}; make it smaller")
    if max(width, height) > MAX_SIDE:
        raise UnreadableInput(f"{width}x{height} pixels: a side over {MAX_SIDE:,}; make it smaller")
    # A small TIFF may be stored in a large tile, which is decoded as a whole.
    tile = [getattr(image, "tag_v2", {}).get(tag, 1) for tag in (322, 323)]
    if tile[0] * tile[1] > max_image_pixels:
        raise UnreadableInput(f"a tile of {tile[0]}x{tile[1]} pixels is more than {limit}")


def _eight_bits(image: Image.Image, samples: Samples, content: bytes, orientation: int) -> Image.Image:
    """An upright image in colours of 16 bits, of which Pillow keeps the upper 8, in the 8 that its values use."""
    pixels = np.asarray(image)
    # Transparent pixels may have any colour.
    shown, colours = (pixels[..., 3:] > 0, pixels[..., :3]) if image.mode == "RGBA" else (True, pixels)
    highest = int(np.max(colours, where=shown, initial=0))
    if highest > LEAST_SHARE * BYTE:
        return image
    if highest or image.mode == "CMYK" or "transparency" in image.info or not samples.is_plain:
        raise UnreadableInput(range_unknown(256 * highest + BYTE, "255 or 65535"))
    # What Pillow has decoded to its end is no truncated image, which OpenCV would fill in.
    lower = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if lower is None or lower.dtype != np.uint16 or lower.ndim != 3 or lower.shape[2] not in (3, 4):
        raise UnreadableInput("has colours of 16 bits that cannot be decoded; save it with 8 bits")
    to_rgb = cv2.COLOR_BGR2RGB if lower.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    narrow = Image.fromarray(cv2.cvtColor(_lower_bits(lower), to_rgb))
    narrow.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(narrow)


def _lower_bits(pixels: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3 or 4) uint8 of uint16 ones of which those that are visible are under 256; alpha may be over."""
    alpha = pixels[..., 3:]
    if alpha.max(initial=0) > BYTE:
        alpha = alpha >> 8
    highest = int(np.max(pixels[..., :3], where=alpha > 0 if alpha.size else True, initial=0))
    if highest == 1 or highest > BYTE:
        raise UnreadableInput(range_unknown(highest, "1 or 255" if highest == 1 else "255 or 65535"))
    return np.concatenate([pixels[..., :3], alpha], axis=2).astype(np.uint8)


def _opaque(image: Image.Image, samples: Samples) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_levels(np.asarray(image), samples, image.info.get("transparency")))
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image
    key = image.info.get("transparency")
    if samples.bits < 8 and image.mode == "L" and isinstance(key, int):
        image.info["transparency"] = key * BYTE // (2**samples.bits - 1)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or key is not None:
        # Transparent pixels may have any colour.
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image


def _levels(values: np.ndarray, samples: Samples, transparent: int | None) -> np.ndarray:
    """Grey levels of values beyond 8 bits, white where they equal `transparent`."""
    shown = None if transparent is None else values != transparent
    if shown is not None:
        values = np.where(shown, values, 0)
    if samples.is_signed and samples.bits == 16 and values.max() > BYTE:
        raise UnreadableInput(
            f"has signed pixels up to {values.max()}, which does not tell which value is white; save it with 8 bits"
        )
    try:
        levels = levels_of(values, 2**samples.bits - 1 if 8 < samples.bits < 16 else None)
    except ValueError as error:
        raise UnreadableInput(str(error)) from None
    if samples.is_inverted:
        levels = BYTE - levels
    return levels if shown is None else np.where(shown, levels, BYTE)
