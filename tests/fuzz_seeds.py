"""Sound files of every format that is read, and hand-made ones that ask for too much: what a fuzzer begins with."""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image

from tests.test_layouts import EMOTION, KEYPOINTS_MISSING

SIDE = 48
GREY = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8))
SOFT = Image.fromarray((np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 2).astype(np.uint8))
WIDE = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
REAL = Image.fromarray(np.asarray(GREY).astype(np.float32))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *between: bytes, before: bytes = b"", rows: bytes | None = None) -> bytes:
    """A black PNG with chunks before its header, and between that and its pixels, of which it may have too few."""
    pixels = zlib.compress(bytes((width + 1) * height) if rows is None else rows, 9)
    body = [before, ihdr(width, height), *between, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def ihdr(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def inflating(name: bytes, count: int) -> list[bytes]:
    """So many chunks of a PNG, each of a kilobyte, and a megabyte when it is inflated."""
    return [chunk(name, b"k\0\0" + zlib.compress(bytes(2**20 - 10), 9))] * count


def tiff(tags: Iterable[tuple[int, int, int, int]], body: bytes) -> bytes:
    """A TIFF of tags (number, type, count, value or place) after a body, which begins at byte 8."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    body += b"\0" * (len(body) % 2)
    count = struct.pack("<H", len(entries) // 12)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + count + entries + bytes(4)


def tiff_of_tags(count: int, size: int) -> bytes:
    """A TIFF of 64 x 64 pixels and so many more tags, all of which point at the same bytes."""
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
    """An animated WebP of one frame on a canvas of that size."""
    frame, width = encoded(GREY.convert("RGB"), "WEBP")[12:], struct.pack("<I", side - 1)[:3]
    inside = struct.pack("<I", SIDE - 1)[:3]
    one = bytes(6) + inside + inside + bytes([100, 0, 0, 0]) + frame
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + width + width
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(one)) + one
    return b"RIFF" + struct.pack("<I", len(body)) + body


def rle_bmp() -> bytes:
    """A BMP whose rows are run lengths, which Pillow reads and does not write."""
    rows = b"".join(bytes([SIDE, row, 0, 0]) for row in range(SIDE)) + b"\0\1"
    about = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(rows), 0, 0, 256, 0)
    head = struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(rows), 0, 0, 54 + 1024)
    return head + about + b"".join(bytes([n, n, n, 0]) for n in range(256)) + rows


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a face"
    return exif


@cache
def pictures() -> dict[str, list[bytes]]:
    """Sound pictures of 48 x 48 pixels, of every format in its usual forms."""
    colour, frames = SOFT.convert("RGB"), {"save_all": True, "append_images": [SOFT.convert("RGB")]}
    clear = GREY.convert("P")
    marked = encoded(colour, "PNG", exif=_exif(), icc_profile=b"x" * 200)
    tiffs = [encoded(colour, "TIFF", compression=how) for how in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    tiffs += [encoded(GREY.convert("1"), "TIFF", compression=how) for how in ("group3", "group4")]
    tiffs += [encoded(WIDE, "TIFF", compression="packbits"), encoded(REAL, "TIFF"), encoded(GREY, "TIFF", exif=_exif())]
    return {
        "jpg": [
            encoded(GREY, "JPEG"),
            encoded(colour, "JPEG", progressive=True, exif=_exif()),
            encoded(colour.convert("CMYK"), "JPEG"),
        ],
        "mpo": [encoded(colour, "MPO", **frames)],
        "png": [
            encoded(GREY, "PNG"),
            marked,
            encoded(WIDE, "PNG"),
            encoded(clear, "PNG", transparency=3),
            encoded(GREY.convert("LA"), "PNG"),
        ],
        "webp": [
            encoded(colour, "WEBP", exif=_exif()),
            encoded(colour.convert("RGBA"), "WEBP", lossless=True),
            encoded(colour, "WEBP", **frames),
        ],
        "bmp": [encoded(image, "BMP") for image in (GREY, colour, GREY.convert("1"))] + [rle_bmp()],
        "tiff": [*tiffs, tiff_of_a_tile(64)],
        "gif": [encoded(GREY, "GIF"), encoded(clear, "GIF", transparency=3), encoded(colour, "GIF", **frames)],
    }


@cache
def picture_seeds() -> dict[str, list[bytes]]:
    """The same, and such as ask for too much."""
    bombs = {
        "jpg": [jpeg_of_scans(SIDE, 150)],
        "png": [
            png(SIDE, SIDE, *inflating(b"iCCP", 17)),
            png(SIDE, SIDE, before=ihdr(30000, 30000)),
            png(60000, 60000, rows=bytes(999)),
        ],
        "webp": [webp_of_a_canvas(16384)],
        "tiff": [tiff_of_a_tile(8192), tiff_of_tags(99, 5000)],
        "gif": [gif_of_a_frame(65535)],
    }
    return {kind: seeds + bombs.get(kind, []) for kind, seeds in pictures().items()}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def csv_of(head: str) -> bytes:
    return (EMOTION if head == "emotion" else KEYPOINTS_MISSING)[:3].to_csv(index=False).encode()


def parquet_of(values: list[object]) -> bytes:
    buffer = BytesIO()
    pd.DataFrame({"image": values}).to_parquet(buffer)
    return buffer.getvalue()


@cache
def table_seeds() -> dict[str, list[bytes]]:
    emotion, pictures = csv_of("emotion"), [seeds[0] for seeds in picture_seeds().values()]
    arrays = BytesIO()
    np.savez(
        arrays, images=np.zeros((2, 96, 96), np.uint8), rows=np.arange(2), targets=np.zeros((2, 15, 2), np.float32)
    )
    return {
        "emotion.csv": [emotion],
        "keypoints.csv": [csv_of("keypoints")],
        "emotion.csv.gz": [gzip.compress(emotion)],
        "emotion.zip": [zipped({"fer/fer2013.csv": emotion})],
        "tree.zip": [zipped({f"train/happy/{n}.png": content for n, content in enumerate(pictures)})],
        "bytes.parquet": [parquet_of(list(pictures))],
        "struct.parquet": [parquet_of([{"bytes": content, "path": "a"} for content in pictures])],
        "part.npz": [arrays.getvalue()],
    }
