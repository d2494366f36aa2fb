"""Images that make a decoder take far more memory or time than their size suggests."""

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO

import numpy as np
import pillow_heif
from PIL import Image

SIDE = 48
GREY = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8))
SOFT = Image.fromarray((np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(image: Image.Image, **options: object) -> bytes:
    """A lossless HEIC, upright; an EXIF orientation in `info` becomes a property of the image, as phones write it."""
    buffer = BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=-1, chroma=444, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *between: bytes, before: bytes = b"", rows: bytes | None = None) -> bytes:
    """A black PNG with chunks before and after its header; it may have too few pixels."""
    pixels = zlib.compress(bytes((width + 1) * height) if rows is None else rows, 9)
    body = [before, ihdr(width, height), *between, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def ihdr(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def inflating(name: bytes, count: int) -> list[bytes]:
    """`count` chunks of a PNG, each of a kilobyte that inflates to a megabyte."""
    return [chunk(name, b"k\0\0" + zlib.compress(bytes(2**20 - 10), 9))] * count


def tiff(tags: Iterable[tuple[int, int, int, int]], body: bytes) -> bytes:
    """A TIFF of tags (number, type, count, value or offset) after a body, which starts at byte 8."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    body += b"\0" * (len(body) % 2)
    count = struct.pack("<H", len(entries) // 12)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + count + entries + bytes(4)


def tiff_of_tags(count: int, size: int) -> bytes:
    """A TIFF of 64 x 64 pixels with `count` more tags, all of which point at the same bytes."""
    tags = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 4, 1, 64), (279, 4, 1, 4096), *((1000 + n, 1, size, 8) for n in range(count))]
    return tiff(tags, bytes(max(size, 4096)))


def tiff_of_a_tile(side: int) -> bytes:
    """A TIFF of 48 x 48 pixels in one compressed tile of another size."""
    data = zlib.compress(bytes(side * side), 9)
    tags = [(256, 4, 1, SIDE), (257, 4, 1, SIDE), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
    return tiff([*tags, (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8), (325, 4, 1, len(data))], data)


def jpeg_of_scans(side: int, count: int) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    plain = encoded(Image.new("L", (side, side), 100), "JPEG", progressive=True)
    return plain[:-2] + plain[plain.rindex(b"\xff\xda") : -2] * count + b"\xff\xd9"


def gif_of_a_frame(side: int) -> bytes:
    """A GIF whose first frame is larger than itself."""
    plain = bytearray(encoded(GREY, "GIF"))
    frame = plain.index(b",", 13 + 3 * 256)
    plain[frame + 5 : frame + 9] = struct.pack("<HH", side, side)
    return bytes(plain)


def webp_of_a_canvas(side: int) -> bytes:
    """An animated WebP of one frame on a larger canvas."""
    frame, width = encoded(GREY.convert("RGB"), "WEBP")[12:], struct.pack("<I", side - 1)[:3]
    inside = struct.pack("<I", SIDE - 1)[:3]
    one = bytes(6) + inside + inside + bytes([100, 0, 0, 0]) + frame
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + width + width
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(one)) + one
    return b"RIFF" + struct.pack("<I", len(body)) + body


def claiming(side: int, plain: bytes, true_side: int) -> bytes:
    """An AVIF or HEIC of a square image, which claims another size."""
    claimed, true = (b"ispe" + bytes(4) + struct.pack(">II", each, each) for each in (side, true_side))
    assert true in plain
    return plain.replace(true, claimed)
