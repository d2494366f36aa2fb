"""One decoder: training and scoring read the same grey levels from a picture of any mode, format, depth and range."""

import csv
import struct
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from tasks.common.errors import UnreadableInput
from tasks.common.image_formats import IMAGE_SUFFIXES
from tasks.data import ingestion
from tasks.readers import image_folder
from tasks.readers.images import colours, grey_levels
from tasks.readers.training_images import NAMED, face_pixels, resized_text
from tests.readers.bombs import SOFT, chunk, encoded, png
from tests.readers.decoder_matrix import (
    BASE,
    COLOURS,
    LUMA,
    ROTATING,
    Both,
    Case,
    Read,
    cases,
    encode,
    pictures,
    read_all,
    scored,
    table,
    tiff_of,
)

MOST = 10**6
MODES = [(mode, kind) for mode, case in cases().items() for kind in case.held.split()]
TOLERANCE = {("YCbCr", "JPEG"): 2, ("RGB", "GIF"): 8, ("RGBA", "GIF"): 12}
"""Grey levels that a format may change: a GIF has a palette. Elsewhere only roundings differ, by one."""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[Read, Both]:
    return read_all(tmp_path_factory.mktemp("matrix"))


@pytest.mark.parametrize(("mode", "kind"), MODES)
def test_training_and_scoring_read_the_same_right_grey_levels(mode: str, kind: str, read: dict[Read, Both]) -> None:
    for orientation in (1, 6) if kind in ROTATING else (1,):
        trained, score, levels = read[mode, kind, orientation]
        if levels is None:
            assert isinstance(trained, str)
            assert trained == score
            assert trained.startswith("has ")
            assert trained.endswith("; save it with 8 bits")
        else:
            assert not isinstance(trained, str), trained
            assert not isinstance(score, str), score
            np.testing.assert_array_equal(trained, score)
            assert np.abs(trained - levels).max() <= TOLERANCE.get((mode, kind), 1)


def test_colours_are_those_of_the_grey_levels_or_are_refused_alike() -> None:
    for (mode, kind, orientation), content, levels in pictures():
        if levels is None:
            with pytest.raises(UnreadableInput) as grey:
                grey_levels(content, MOST)
            with pytest.raises(UnreadableInput) as coloured:
                colours(content, MOST, MOST)
            assert str(coloured.value) == str(grey.value), (mode, kind)
            continue
        found, side = colours(content, MOST, MOST)
        assert (found.dtype, found.shape, side) == (np.uint8, (*BASE.shape, 3), max(BASE.shape))
        luma = found @ [0.299, 0.587, 0.114]
        assert np.abs(luma - grey_levels(content, MOST)).max() <= 3, (mode, kind, orientation)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_a_coloured_picture_keeps_its_colours_upright(kind: str) -> None:
    for orientation in (1, 3, 6, 8) if kind in ROTATING else (1,):
        found, _ = colours(encode(cases()["RGB"], kind, orientation), MOST, MOST)
        np.testing.assert_array_equal(found, COLOURS)


def test_a_large_jpeg_is_decoded_in_colour_at_a_fraction_of_its_size() -> None:
    levels = np.repeat(np.repeat(np.eye(6, dtype=np.uint8) * 200, 200, axis=0), 300, axis=1)
    image, exif = Image.fromarray(np.stack([levels, levels // 2, levels * 0], axis=-1)), Image.Exif()
    exif[0x0112] = 6
    whole, side = colours(encoded(image, "JPEG", exif=exif.tobytes()), 10**7, 10**7)
    found, same_side = colours(encoded(image, "JPEG", exif=exif.tobytes()), 10**7, 800)
    assert whole.shape == (1800, 1200, 3)
    assert found.shape == (900, 600, 3)
    assert side == same_side == 1800
    assert np.abs(found[75::150, 50::100].astype(int) - whole[150::300, 100::200]).max() <= 4


def test_colours_obey_the_bounds_of_grey_levels() -> None:
    content = encoded(Image.new("RGB", (300, 200)), "PNG")
    with pytest.raises(UnreadableInput, match=r"300x200 pixels are more than score\.max_image_pixels"):
        colours(content, 300 * 200 - 1, MOST)
    with pytest.raises(UnreadableInput, match="too small for a face"):
        colours(encoded(Image.new("RGB", (300, 4)), "PNG"), MOST, MOST)
    seen: list[tuple[int, int]] = []
    colours(content, MOST, MOST, lambda width, height: seen.append((width, height)))
    assert seen == [(300, 200)]


@pytest.mark.parametrize("kind", sorted(ROTATING))
def test_every_orientation_is_applied_once(kind: str) -> None:
    for orientation in range(2, 9):
        content = encode(cases()["L"], kind, orientation)
        assert np.abs(grey_levels(content, MOST).astype(int) - BASE).max() <= 1, orientation


@pytest.mark.parametrize("mode", ["RGB, 8 bits of 16", "RGB, 16 bits of 16"])
def test_colours_of_16_bits_are_rotated_once(mode: str) -> None:
    case = cases()[mode]
    for kind, orientation in ((kind, turn) for kind in ("PNG", "TIFF") for turn in (1, 3, 6, 8)):
        levels = grey_levels(encode(case, kind, orientation), MOST).astype(int)
        assert np.abs(levels - case.levels).max() <= 1, (kind, orientation)


def test_colours_of_16_bits_up_to_1_are_refused() -> None:
    case = cases()["RGB, 8 bits of 16"]
    assert isinstance(case.image, np.ndarray)
    with pytest.raises(UnreadableInput, match="has pixels up to 1, which does not tell whether white is 1 or 255"):
        grey_levels(encode(case._replace(image=case.image // 128), "PNG"), MOST)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("alpha", [0x8000, 0xFF00, 0x0100, 0xFFFF, 255, 128])
def test_the_alpha_of_colours_of_16_bits_is_scaled_by_its_own_range(alpha: int, kind: str) -> None:
    colours = np.dstack([COLOURS.astype(np.uint16), np.full(BASE.shape, alpha, np.uint16)])
    share = alpha / (65535 if alpha > 255 else 255)
    levels = grey_levels(encode(Case(colours, None, kind, 2, 2), kind), MOST)
    assert np.abs(levels - (255 + share * (LUMA.astype(int) - 255))).max() <= 2


@pytest.mark.parametrize(("hidden", "shown", "refused"), [(9, 1, "up to 1,"), (0, 257, "up to 257,"), (257, 99, "")])
def test_only_visible_pixels_tell_the_range_of_colours_of_16_bits(hidden: int, shown: int, refused: str) -> None:
    clear = np.arange(48) < 9
    alpha = np.broadcast_to(np.where(clear, 0, 255), (48, 48))
    values = np.broadcast_to(np.where(clear, hidden, shown), (48, 48))
    content = encode(Case(np.dstack([values, values, values, alpha]).astype(np.uint16), None, "PNG"), "PNG")
    if refused:
        with pytest.raises(UnreadableInput, match=f"has pixels {refused}"):
            grey_levels(content, MOST)
    else:
        np.testing.assert_array_equal(grey_levels(content, MOST), np.where(clear, 255, [[shown]] * 48))


def test_the_primary_image_of_a_heic_is_read_not_its_thumbnail() -> None:
    file = pillow_heif.from_pillow(Image.fromarray(255 - BASE))
    file.add_from_pillow(Image.fromarray(BASE.repeat(9, 0).repeat(9, 1)))
    file.save(buffer := BytesIO(), quality=-1, chroma=444, primary_index=1, thumbnails=[64])
    levels = grey_levels(buffer.getvalue(), MOST)
    np.testing.assert_array_equal(levels[::9, ::9], BASE)
    assert "HEIF" not in Image.OPEN, "the whole process would read HEIC with Pillow"


@pytest.mark.parametrize("values", [BASE.astype(np.uint16) * 257, COLOURS.astype(np.uint16) * 257], ids=["grey", "RGB"])
def test_a_heic_of_10_bits_is_read(values: np.ndarray) -> None:
    mode = "I;16" if values.ndim == 2 else "RGB;16"
    pillow_heif.from_bytes(mode, (48, 48), values.tobytes()).save(buffer := BytesIO(), quality=-1, chroma=444)
    expected = BASE if values.ndim == 2 else LUMA
    assert np.abs(grey_levels(buffer.getvalue(), MOST).astype(int) - expected).max() <= 1


def test_pictures_of_phones_are_decoded_as_jpegs() -> None:
    colour = Image.fromarray(COLOURS)
    plain, phone = (grey_levels(encoded(colour, kind, quality=90), MOST) for kind in ("JPEG", "MPO"))
    np.testing.assert_array_equal(plain, phone)


def test_the_table_of_all_modes_names_no_difference(read: dict[Read, Both]) -> None:
    found = table(read)
    assert not {"DIFFER", "READ"} & set(found.replace("/", " ").split())
    assert len(found.splitlines()) == 1 + len(cases())


@pytest.mark.parametrize(
    ("values", "given", "levels"),
    [
        ((257 * (255 - BASE.astype(np.uint16)))[..., None], {"colours": 0}, BASE),
        ((255 - BASE)[..., None], {"colours": 0}, BASE),
        ((BASE / np.float32(255))[..., None], {"colours": 0, "kind": 3}, 255 - BASE),
        (BASE.astype(np.int16)[..., None], {"colours": 1, "kind": 2}, BASE),
        (BASE[..., None].repeat(2, 2), {"colours": 1, "extra": 0}, BASE),
    ],
    ids=["white is 0, 16 bits", "white is 0", "white is 0, 0..1", "signed", "a channel more"],
)
def test_a_tiff_that_stores_grey_otherwise_is_read_with_the_right_polarity(
    values: np.ndarray, given: dict[str, Any], levels: np.ndarray
) -> None:
    assert np.abs(grey_levels(tiff_of(values, **given), MOST).astype(int) - levels).max() <= 1


def test_a_tiff_of_12_bits_says_what_white_is() -> None:
    values = (BASE.astype(int) * 4095 / 255).round().astype(np.uint16).reshape(-1, 2)
    packed = np.stack([values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255], 1)
    content = bytearray(tiff_of(packed.astype(np.uint8).reshape(48, 72, 1), colours=1))
    # Width, and bits of a sample.
    for tag, value in ((256, 48), (258, 12)):
        at = content.rindex(tag.to_bytes(2, "little") + (3 if tag == 258 else 4).to_bytes(2, "little"))
        content[at + 8 : at + 10] = value.to_bytes(2, "little")
    assert np.abs(grey_levels(bytes(content), MOST).astype(int) - BASE).max() <= 1


WIDE = BASE.astype(np.uint16)[..., None]
REFUSED_TIFFS = {
    "signed, 16 bits": (tiff_of((WIDE * 128).astype(np.int16), colours=1, kind=2), "signed pixels up to 31104"),
    "signed, 8 bits": (tiff_of(BASE[..., None], colours=1, kind=2), "a TIFF of signed values of 8 bits, which are not"),
    "half floats": (tiff_of((WIDE / 255).astype(np.float16), colours=1, kind=3), "of floating-point values of 16 bits"),
    "double floats": (tiff_of(WIDE / 255.0, colours=1, kind=3), "of floating-point values of 64 bits"),
    "colours of 32 bits": (
        tiff_of(np.dstack([WIDE / np.float32(255)] * 3), kind=3),
        "a TIFF that stores its 32 bits in",
    ),
    "a raw file": (tiff_of(BASE[..., None], colours=1, more=[(50706, 1, 4, 0x401)]), "is a raw camera file"),
    "a preview": (tiff_of(BASE[..., None], colours=1, more=[(254, 4, 1, 1)]), "is a raw camera file, or begins with a"),
    "JPEG 2000 in it": (
        tiff_of(BASE[..., None], colours=1, more=[(259, 3, 1, 33003)]),
        "in the compression 33003, which",
    ),
}


@pytest.mark.parametrize("name", REFUSED_TIFFS)
def test_a_tiff_of_an_unread_kind_is_refused_as_such(name: str) -> None:
    content, reason = REFUSED_TIFFS[name]
    with pytest.raises(UnreadableInput, match=reason) as error:
        grey_levels(content, MOST)
    assert "truncated" not in str(error.value)


def test_a_jpeg_of_12_bits_is_refused_as_such() -> None:
    plain = encoded(SOFT, "JPEG")
    at = plain.index(b"\xff\xc0") + 4
    with pytest.raises(UnreadableInput, match="is a JPEG of 12 bits, which is not read; save it with 8 bits"):
        grey_levels(plain[:at] + b"\x0c" + plain[at + 1 :], MOST)


@pytest.mark.parametrize("how", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "big"])
def test_a_tiff_is_read_in_every_compression(how: str) -> None:
    image = Image.fromarray(BASE.astype(np.uint16) * 257)
    options: dict[str, Any] = {"big_tiff": True} if how == "big" else {"compression": how}
    np.testing.assert_array_equal(grey_levels(encoded(image, "TIFF", **options), MOST), BASE)


def test_a_transparent_level_is_white_at_every_depth() -> None:
    wide = Image.fromarray(BASE.astype(np.uint16) * 257)
    levels = grey_levels(encoded(wide, "PNG", transparency=257 * 100), MOST).astype(int)
    np.testing.assert_array_equal(levels, np.where(BASE == 100, 255, BASE))
    nibbles = BASE // 16
    rows = b"".join(b"\0" + (row[::2] << 4 | row[1::2]).tobytes() for row in nibbles)
    plain = png(48, 48, chunk(b"tRNS", b"\0\2"), rows=rows)
    narrow = plain[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 48, 48, 4, 0, 0, 0, 0)) + plain[33:]
    np.testing.assert_array_equal(grey_levels(narrow, MOST), np.where(nibbles == 2, 255, nibbles * 17))


def tree(folder: Path, contents: dict[str, bytes]) -> Path:
    (folder / "tree/train/happy").mkdir(parents=True)
    for name, content in contents.items():
        (folder / "tree/train/happy" / name).write_bytes(content)
    return folder / "tree"


def rows_of(raw: Path) -> dict[str, dict[str, str]]:
    with raw.open(newline="") as text:
        return {Path(row["file"]).name: row for row in csv.DictReader(text)}


def test_square_pictures_are_resized_as_scoring_does_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = [48, 20, 64, 64, 100]
    contents = {f"{n}.png": encoded(SOFT.resize((side, side)), "PNG") for n, side in enumerate(sides)}
    lines: list[str] = []
    monkeypatch.setattr(image_folder, "log", lines.append)
    rows = rows_of(ingestion.bring_in("emotion", str(tree(tmp_path, contents)), tmp_path / "raw.csv"))
    for name, content in contents.items():
        seen = scored(content)
        assert not isinstance(seen, str)
        assert rows[name]["pixels"].split() == [str(value) for value in seen.ravel()]
        assert rows[name]["unreadable"] == ""
    resized = "4 pictures of other square sizes (64x64: 2, 20x20: 1, 100x100: 1) were resized to 48x48"
    assert [line for line in lines if "resized" in line] == [f"{tmp_path / 'tree'}: {resized}"]


def test_the_count_names_few_sizes() -> None:
    assert resized_text(Counter()) == ""
    assert resized_text(Counter({"64x64": 1})) == "1 picture of another square size (64x64: 1) was resized to 48x48"
    many = resized_text(Counter({f"{side}x{side}": side for side in range(50, 60)}))
    assert many.count("x") == NAMED + 1
    assert f", {10 - NAMED} sizes more) were resized" in many


def test_what_is_no_face_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    contents = {
        "wide.png": encoded(SOFT.resize((100, 80)), "PNG"),
        "small.png": encoded(SOFT.resize((12, 12)), "PNG"),
        "cut.png": encoded(SOFT, "PNG")[:-60],
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "good.png": encoded(SOFT, "PNG"),
    }
    rows = rows_of(ingestion.bring_in("emotion", str(tree(tmp_path, contents)), tmp_path / "raw.csv"))
    assert {name: row["unreadable"].split(" (")[0] for name, row in rows.items()} == {
        "wide.png": "100x80 pixels: not square",
        "small.png": "12x12 pixels: too small for a face",
        "cut.png": "is truncated or corrupt",
        "page.jpg": "is a web page; only jpg, png, webp, bmp, tiff, gif, avif and heic are read",
        "good.png": "",
    }
    assert [name for name, row in rows.items() if row["pixels"]] == ["good.png"]


def test_a_large_square_picture_is_refused_with_the_bound() -> None:
    with pytest.raises(UnreadableInput, match="5000x5000 pixels are more than 16,777,216; make it smaller"):
        face_pixels(encoded(Image.new("1", (5000, 5000)), "PNG"))


def test_every_format_that_is_decoded_counts_in_an_image_folder(tmp_path: Path) -> None:
    case = Case(Image.fromarray(BASE), BASE, "")
    kinds = {"jpg": "JPEG", "tif": "TIFF", "dib": "BMP", "jpeg": "JPEG", "heif": "HEIC", "HEIC": "HEIC", "WebP": "WEBP"}
    kinds |= {kind.lower(): kind for kind in ("PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIC")}
    contents = {f"{n}.{suffix}": encode(case, kind) for n, (suffix, kind) in enumerate(kinds.items())}
    rows = rows_of(ingestion.bring_in("emotion", str(tree(tmp_path, contents)), tmp_path / "raw.csv"))
    assert rows.keys() == contents.keys()
    assert {row["unreadable"] for row in rows.values()} == {""}
    assert {Path(name).suffix.lower() for name in contents} <= set(IMAGE_SUFFIXES)
