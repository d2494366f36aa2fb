"""The seeds of the fuzzer: valid files of every format that is read, and some decompression bombs."""

import bz2
import gzip
import json
import lzma
import struct
import tarfile
import zipfile
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.readers.bombs import (
    GREY,
    SIDE,
    SOFT,
    claiming,
    encoded,
    gif_of_a_frame,
    heic,
    ihdr,
    inflating,
    jpeg_of_scans,
    png,
    tiff_of_a_tile,
    tiff_of_tags,
    webp_of_a_canvas,
)
from tests.readers.test_layouts import EMOTION, KEYPOINTS_MISSING

WIDE = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
REAL = Image.fromarray(np.asarray(GREY).astype(np.float32))


def rle_bmp() -> bytes:
    """A BMP with run-length encoded rows, which Pillow reads but does not write."""
    rows = b"".join(bytes([SIDE, row, 0, 0]) for row in range(SIDE)) + b"\0\1"
    about = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(rows), 0, 0, 256, 0)
    head = struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(rows), 0, 0, 54 + 1024)
    return head + about + b"".join(bytes([n, n, n, 0]) for n in range(256)) + rows


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a face"
    return exif


@cache
def images() -> dict[str, list[bytes]]:
    """Valid images of 48 x 48 pixels, of every format in its usual variants."""
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
        "avif": [
            encoded(SOFT, "AVIF"),
            encoded(colour, "AVIF", exif=_exif()),
            encoded(colour.convert("RGBA"), "AVIF"),
            encoded(colour, "AVIF", **frames),
        ],
        "heic": [
            heic(SOFT),
            heic(colour, exif=_exif().tobytes()),
            heic(colour.convert("RGBA")),
            heic(colour, tile_size=32),
        ],
        "gif": [encoded(GREY, "GIF"), encoded(clear, "GIF", transparency=3), encoded(colour, "GIF", **frames)],
    }


@cache
def picture_seeds() -> dict[str, list[bytes]]:
    """The same, and decompression bombs."""
    bombs = {
        "jpg": [jpeg_of_scans(SIDE, 150)],
        "png": [
            png(SIDE, SIDE, *inflating(b"iCCP", 17)),
            png(SIDE, SIDE, before=ihdr(30000, 30000)),
            png(60000, 60000, rows=bytes(999)),
        ],
        "webp": [webp_of_a_canvas(16384)],
        "tiff": [tiff_of_a_tile(8192), tiff_of_tags(99, 5000)],
        "avif": [claiming(SIDE, encoded(Image.new("L", (600, 600)), "AVIF"), 600)],
        "heic": [claiming(SIDE, heic(Image.new("L", (512, 512))), 512)],
        "gif": [gif_of_a_frame(65535)],
    }
    return {kind: seeds + bombs.get(kind, []) for kind, seeds in images().items()}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(content: bytes, kind: str = "") -> bytes:
    """A tar archive of a README and `fer2013.csv`, with a long name, which takes headers of its own."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, text in ((f"{'long/' * 30}README", b"faces"), ("fer/fer2013.csv", content)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, BytesIO(text))
    return buffer.getvalue()


def csv_of(model_name: str) -> bytes:
    return (EMOTION if model_name == "emotion" else KEYPOINTS_MISSING)[:3].to_csv(index=False).encode()


def parquet_of(values: list[object]) -> bytes:
    buffer = BytesIO()
    pd.DataFrame({"image": values}).to_parquet(buffer)
    return buffer.getvalue()


def labelled_parquet(column: str, values: list[Any]) -> bytes:
    features = {"label": {"names": ["angry", "happy"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pa.table({column: values, "label": [number % 2 for number in range(len(values))]})
    pq.write_table(table.replace_schema_metadata(metadata), buffer := BytesIO())
    return buffer.getvalue()


@cache
def table_seeds() -> dict[str, list[bytes]]:
    emotion, images = csv_of("emotion"), [seeds[0] for seeds in picture_seeds().values()]
    split: dict[str, Any] = {
        name: np.array(["a", "b"]) for name in ("subjects", "augmentation_kind", "classes", "output_classes")
    }
    split |= {"images": np.zeros((2, 48, 48), np.uint8), "targets": np.zeros(2, np.int64), "rows": np.arange(2)}
    np.savez(arrays := BytesIO(), **split, groups=np.arange(2), strategy=np.array("group"))
    return {
        "emotion.csv": [emotion],
        "keypoints.csv": [csv_of("keypoints")],
        "emotion.csv.gz": [gzip.compress(emotion)],
        "emotion.csv.bz2": [bz2.compress(emotion)],
        "emotion.csv.xz": [lzma.compress(emotion)],
        "emotion.tar": [tarred(emotion)],
        "emotion.tar.gz": [tarred(emotion, "gz")],
        "emotion.zip": [zipped({"fer/fer2013.csv": emotion})],
        "tree.zip": [zipped({f"train/happy/{n}.png": content for n, content in enumerate(images)})],
        "bytes.parquet": [parquet_of(list(images))],
        "emotion texts.parquet": [labelled_parquet("pixels", EMOTION["pixels"][:3].tolist())],
        "emotion lists.parquet": [labelled_parquet("image", [list(range(256)), [7] * 2304])],
        "emotion.parquet": [labelled_parquet("image", [{"bytes": content} for content in images])],
        "struct.parquet": [parquet_of([{"bytes": content, "path": "a"} for content in images])],
        "split.npz": [arrays.getvalue()],
    }
