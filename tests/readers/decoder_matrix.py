"""Every mode of an image in every format that holds it, and what training and scoring read from it.

`python -m tests.readers.decoder_matrix` prints the table.
"""

import csv
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

import params
from tasks.data.ingestion import bring_in
from tasks.readers.records import Record
from tasks.scoring.face_crops import crop_faces
from tests.conftest import ROOT
from tests.readers.bombs import SIDE, chunk, encoded, heic, png, tiff

ROWS, COLUMNS = np.indices((SIDE, SIDE))
BASE = (8 + 4 * COLUMNS + ROWS).astype(np.uint8)
"""Grey levels 8..243, which rise to the right and, less, downwards: a rotation, a mirror and a negative differ."""
COLOURS = np.stack([BASE, BASE[::-1] // 2 + 60, BASE.T], axis=-1)
LUMA = np.rint(COLOURS @ [0.299, 0.587, 0.114]).astype(np.uint8)
CLEAR = (ROWS > 30) & (COLUMNS < 12)
"""The transparent pixels."""
ON_WHITE = np.where(CLEAR, 255, BASE).astype(np.uint8)
COLOURS_ON_WHITE = np.where(CLEAR, 255, LUMA).astype(np.uint8)
SCORE = params.load(ROOT).score
ROTATING = {"PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIC"}
"""Formats with an orientation."""
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 97},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 100},
}


class Case(NamedTuple):
    """A picture of one mode: the grey levels to be read, or None for a refusal; the formats that hold it.

    What Pillow does not write is an array (H, W, C), of the colours (tag 262) and with the extra channel (tag 338) of a
    TIFF.
    """

    image: Image.Image | np.ndarray
    levels: np.ndarray | None
    held: str
    colours: int = 2
    extra: int | None = None


def _alpha(image: Image.Image, mode: str) -> Image.Image:
    image = image.convert(mode)
    image.putalpha(Image.fromarray(np.where(CLEAR, 0, 255).astype(np.uint8)))
    return image


def _palette(is_clear: bool) -> Image.Image:
    image = Image.fromarray(np.where(CLEAR, 255, BASE).astype(np.uint8) if is_clear else BASE, "P")
    levels = [*range(255), 0 if is_clear else 255]
    image.putpalette([level for level in levels for _ in range(3)])
    if is_clear:
        image.info["transparency"] = 255
    return image


def _lab() -> Image.Image:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    found = ImageCms.profileToProfile(Image.fromarray(BASE).convert("RGB"), *profiles, outputMode="LAB")
    assert found is not None
    return found


EVERY = "PNG JPEG WEBP BMP TIFF GIF AVIF HEIC"
ALPHA = "PNG WEBP TIFF AVIF HEIC"


def cases() -> dict[str, Case]:
    """Every mode, by name."""
    return (
        narrow_cases() | wide_cases() | {name: Case(image, levels, "TIFF") for name, (image, levels) in reals().items()}
    )


def narrow_cases() -> dict[str, Case]:
    grey, colour = Image.fromarray(BASE), Image.fromarray(COLOURS)
    halved = np.dstack([np.where(CLEAR, 0, BASE), np.where(CLEAR, 0, 255)]).astype(np.uint8)
    multiplied = np.dstack([np.where(CLEAR[..., None], 0, COLOURS), halved[..., 1]]).astype(np.uint8)
    return {
        "1": Case(
            grey.point(lambda level: 255 * (level > 128)).convert("1"), np.where(BASE > 128, 255, 0), "PNG BMP TIFF GIF"
        ),
        "L": Case(grey, BASE, EVERY),
        "LA": Case(_alpha(grey, "LA"), ON_WHITE, ALPHA),
        "La": Case(halved, ON_WHITE, "TIFF", 1, 1),
        "P": Case(_palette(False), BASE, "PNG BMP TIFF GIF"),
        "P, transparent": Case(_palette(True), ON_WHITE, "PNG GIF"),
        "PA": Case(_alpha(grey, "PA"), ON_WHITE, "TIFF"),
        "RGB": Case(colour, LUMA, EVERY),
        "RGBA": Case(_alpha(colour, "RGBA"), COLOURS_ON_WHITE, f"{ALPHA} GIF"),
        "RGBa": Case(multiplied, COLOURS_ON_WHITE, "TIFF", 2, 1),
        "RGBX": Case(np.dstack([COLOURS, BASE]), LUMA, "TIFF", 2, 0),
        "CMYK": Case(colour.convert("CMYK"), LUMA, "JPEG TIFF"),
        "YCbCr": Case(colour.convert("YCbCr"), LUMA, "JPEG TIFF"),
        "LAB": Case(_lab(), BASE, "TIFF"),
    }


def wide_cases() -> dict[str, Case]:
    """16 bits per channel; `8 bits` are values up to 255, `12 bits` up to 4095."""
    wide, colours = BASE.astype(np.uint16), COLOURS.astype(np.uint16)
    alpha = np.where(CLEAR, 0, 65535).astype(np.uint16)
    inks = np.dstack([255 - colours, 0 * wide])
    found: dict[str, Case] = {}
    for name, scale in (("16 bits", 257), ("8 bits", 1), ("12 bits", 16)):
        levels = [None if scale == 16 else each for each in (BASE, ON_WHITE, LUMA, COLOURS_ON_WHITE)]
        found |= {
            f"I;16, {name}": Case(Image.fromarray(wide * scale), levels[0], "PNG TIFF"),
            f"I;16B, {name}": Case(Image.fromarray((wide * scale).astype(">u2")), levels[0], "PNG TIFF"),
            f"LA, {name} of 16": Case(np.dstack([wide * scale, alpha]), levels[1], "PNG"),
            f"RGB, {name} of 16": Case(colours * scale, levels[2], "PNG TIFF"),
            f"RGBA, {name} of 16": Case(np.dstack([colours * scale, alpha]), levels[3], "PNG TIFF", 2, 2),
            f"CMYK, {name} of 16": Case(inks * scale, LUMA if scale == 257 else None, "TIFF", 5),
        }
    return found


def reals() -> dict[str, tuple[Image.Image, np.ndarray | None]]:
    """Integers of 32 bits and floating-point numbers, by their range."""
    whole, real = BASE.astype(np.int32), BASE.astype(np.float32)
    nan, infinite = real.copy(), real.copy()
    nan[3, 3], infinite[3, 3] = np.nan, np.inf
    values: dict[str, tuple[np.ndarray, np.ndarray | None]] = {
        "I, 16 bits": (whole * 257, BASE),
        "I, 8 bits": (whole, BASE),
        "I, 0..1": (whole // 128, None),
        "I, 12 bits": (whole * 16, None),
        "I, 17 bits": (whole * 514, None),
        "I, negative": (whole - 9, None),
        "F, 0..1": (real / 255, BASE),
        "F, 0..255": (real, BASE),
        "F, 0..65535": (real * 257, BASE),
        "F, 0..1.2": (real / 200, None),
        "F, 0..4095": (real * 16, None),
        "F, NaN": (nan, None),
        "F, infinite": (infinite, None),
        "F, negative": (real - 9, None),
    }
    return {name: (Image.fromarray(array), levels) for name, (array, levels) in values.items()}


def png16(values: np.ndarray, exif: bytes = b"") -> bytes:
    """A PNG of 16-bit values (H, W, 2..4)."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    marked = [chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))] if exif else []
    plain = png(width, height, *marked, rows=rows)
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return plain[:8] + chunk(b"IHDR", header) + plain[33:]


def tiff_of(
    values: np.ndarray,
    orientation: int = 1,
    colours: int = 2,
    extra: int | None = None,
    kind: int = 1,
    more: Iterable[tuple[int, int, int, int]] = (),
) -> bytes:
    """A TIFF of values (H, W, C) of 8 to 64 bits; `colours`, `extra` and `kind` are the tags 262, 338 and 339."""
    height, width, channels = values.shape
    data, at = values.astype(values.dtype.newbyteorder("<")).tobytes(), 8 + values.nbytes
    bits, kinds = (struct.pack("<H", number) * channels for number in (8 * values.itemsize, kind))
    where = [at, at + len(bits)] if channels > 2 else [int.from_bytes(each, "little") for each in (bits, kinds)]
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, where[0]), (259, 3, 1, 1)]
    tags += [(262, 3, 1, colours), (273, 4, 1, 8), (274, 3, 1, orientation), (277, 3, 1, channels)]
    tags += [(278, 4, 1, height), (279, 4, 1, len(data)), (339, 3, channels, where[1]), *more]
    tags += [] if extra is None else [(338, 3, 1, extra)]
    return tiff(sorted({tag[0]: tag for tag in tags}.values()), data + bits + kinds)


def encode(case: Case, kind: str, orientation: int = 1) -> bytes:
    """The bytes of a picture that lies as `orientation` says."""
    image, exif = case.image, Image.Exif()
    exif[0x0112] = orientation
    if isinstance(image, np.ndarray):
        lying = np.rot90(image, TURNS[orientation])
        marked = exif.tobytes() if orientation > 1 else b""
        return png16(lying, marked) if kind == "PNG" else tiff_of(lying, orientation, case.colours, case.extra)
    laid = image if orientation == 1 else image.transpose(LYING[orientation])
    laid.info.update(image.info)
    rotated: dict[str, Any] = {"exif": exif.tobytes()} if orientation > 1 else {}
    return heic(laid, **rotated) if kind == "HEIC" else encoded(laid, kind, **OPTIONS.get(kind, {}), **rotated)


LYING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes an upright image lie as an orientation says: the inverse of what it asks for."""


TURNS = {1: 0, 3: 2, 6: 1, 8: 3}
"""Quarter turns to the left that do the same."""


Pixels = np.ndarray | str
Read = tuple[str, str, int]


class Both(NamedTuple):
    """The grey levels (48, 48) that training and scoring read, or the reason; what they should be, None: a refusal."""

    trained: Pixels
    scored: Pixels
    levels: np.ndarray | None


def pictures() -> Iterator[tuple[Read, bytes, np.ndarray | None]]:
    """Mode, format and orientation; the bytes; the grey levels to be read, or None for a refusal."""
    for mode, case in cases().items():
        for kind in case.held.split():
            for orientation in (1, 6) if kind in ROTATING else (1,):
                yield (mode, kind, orientation), encode(case, kind, orientation), case.levels


def read_all(folder: Path) -> dict[Read, Both]:
    """What training, from an image folder, and scoring read of every picture."""
    found = list(pictures())
    (folder / "tree/train/happy").mkdir(parents=True)
    for number, ((_, kind, _), content, _) in enumerate(found):
        (folder / f"tree/train/happy/{number:04}.{kind.lower()}").write_bytes(content)
    raw = bring_in("emotion", str(folder / "tree"), folder / "raw.csv")
    with raw.open(newline="") as text:
        trained: list[Pixels] = [
            row["unreadable"] or np.array(row["pixels"].split(), np.int64).reshape(SIDE, SIDE)
            for row in csv.DictReader(text)
        ]
    both = zip(found, trained, strict=True)
    return {key: Both(pixels, scored(content), levels) for (key, content, levels), pixels in both}


def scored(content: bytes) -> Pixels:
    crops = crop_faces([Record("a", 0, content)], "whole", SCORE)
    return str(crops.skipped["reason"][0]) if len(crops.skipped) else crops.images["emotion"][0].astype(np.int64)


def table(read: dict[Read, Both]) -> str:
    """Of every mode and format: the largest difference to the expected grey levels, or what is refused."""
    lines = [f"{'':26}" + "".join(f"{kind:>9}" for kind in EVERY.split())]
    for mode in cases():
        cells = [[said(both) for key, both in read.items() if key[:2] == (mode, kind)] for kind in EVERY.split()]
        lines.append(f"{mode:26}" + "".join(f"{'/'.join(dict.fromkeys(cell)) or '-':>9}" for cell in cells))
    return "\n".join(lines)


def said(both: Both) -> str:
    """One cell of the table."""
    trained, seen, levels = both
    if isinstance(trained, str) or isinstance(seen, str):
        return "refused" if isinstance(trained, str) and trained == seen else "DIFFER"
    if (trained != seen).any():
        return "DIFFER"
    return "READ" if levels is None else f"{np.abs(trained - levels).max()}"


def main() -> None:
    with TemporaryDirectory() as folder:
        print(table(read_all(Path(folder))))


if __name__ == "__main__":
    main()
