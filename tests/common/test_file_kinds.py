"""A file's kind follows from its first bytes; what is not read is named for what it is, never called truncated."""

import pickle
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UnreadableInput
from tasks.common.file_kinds import (
    BINARY_SIGNATURES,
    NOT_READ,
    SIGNATURES,
    VIDEO,
    WEB_PAGE,
    is_packed,
    is_text,
    kind_of,
    refusal,
    why_no_table,
)
from tasks.common.image_formats import image_format
from tasks.readers.images import grey_levels
from tests.readers.bombs import GREY, encoded


def test_every_kind_that_is_not_read_has_a_signature_or_a_name_in_a_zip() -> None:
    named = {kind for _, _, kind in (*SIGNATURES, *BINARY_SIGNATURES)}
    documents = {name for name in NOT_READ if "document" in name.lower() or "archive (npz)" in name}
    assert set(NOT_READ) - named - documents == {WEB_PAGE, "JSON"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_every_format_that_is_decoded_is_a_picture(kind: str) -> None:
    assert image_format(encoded(GREY, kind)) == kind
    assert kind_of(encoded(GREY, kind)) == f"a {kind} picture"
    assert refusal(encoded(GREY, kind)) is None


@pytest.mark.parametrize(
    "text",
    [
        b"emotion,pixels\n",
        b"",
        b"ID3,pixels\n",
        b"P5,pixels\n",
        b"MZ,BM,pixels\n",
        b"<5 years,pixels\n",
        b"\xef\xbb\xbfImage\n",
        b"[a],pixels\n",
        b"BMI,pixels\n0,1\n",
    ],
)
def test_text_of_a_table_is_of_no_kind(text: bytes) -> None:
    assert kind_of(text) is None
    assert why_no_table(text) is None


def test_a_web_page_is_named_with_its_title() -> None:
    for start in (b"<!DOCTYPE html>", b"\n <HTML lang=en>", b'<?xml version="1.0"?>\n<!-- made by hand -->\n<html>'):
        reason = refusal(start + b"<head><title>\n Sign in &amp;\n go </title>")
        assert reason is not None
        assert reason.startswith('is a web page ("Sign in & go"), not a table or a picture; ')


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_binary_protocol_are_named(protocol: int) -> None:
    assert kind_of(pickle.dumps([1], protocol)) == "a Python pickle"


def test_arrays_are_named_and_archives_are_not_refused() -> None:
    array, arrays = BytesIO(), BytesIO()
    np.save(array, np.zeros(3))
    np.savez(arrays, a=np.zeros(3))
    assert kind_of(array.getvalue()) == "a NumPy array (npy)"
    assert refusal(b"", ["a.npy"]) == "is a NumPy archive (npz), not a table or a picture; save the data as CSV"
    assert refusal(b"", ["a/b.npy", "c.npy"]) == refusal(b"", ["a.npy"])
    assert refusal(b"", ["a.npy", "1.png"]) is None
    assert is_packed(arrays.getvalue())
    assert refusal(arrays.getvalue()) is None


def test_a_picture_where_a_table_was_expected_is_named() -> None:
    content = BytesIO()
    Image.new("L", (20, 20)).save(content, "PNG")
    assert str(why_no_table(content.getvalue())).startswith("is a PNG picture, not a table; name a CSV, or a folder")


BOX = (20).to_bytes(4) + b"ftyp"
FILES = {
    "a raw camera file (CR2)": b"II*\0\x10\0\0\0CR\2\0" + bytes(50),
    "a raw camera file (CR3)": BOX + b"crx \0\0\0\1crx isom",
    "a raw camera file (RAF)": b"FUJIFILMCCD-RAW 0201" + bytes(50),
    "a raw camera file (ORF)": b"IIRO\x08\0\0\0" + bytes(50),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\n",
    "a PostScript drawing": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "a Photoshop file (PSD)": b"8BPS\0\1" + bytes(50),
    "a JPEG XL image": b"\xff\x0a" + bytes(50),
    "a JPEG 2000 image": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50),
    "a JPEG-LS image": b"\xff\xd8\xff\xf7" + bytes(50),
    "an icon (ICO)": b"\0\0\1\0\1\0" + bytes(50),
    "a video": BOX + b"isom\0\0\2\0isommp41",
    "a HEIF image in another coding than HEVC or AV1": BOX + b"mif1\0\0\0\0mif1jpeg",
    "an SVG drawing": b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a web page": b"\n<!DOCTYPE html><html><body><svg/></body></html>",
    "an XML file": b"<?xml version='1.0'?><a/>",
    "a text file": "Gesichter für alle\n".encode(),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
    "a zip archive": b"PK\3\4" + bytes(50),
    "a portable anymap (PNM)": b"P6\n48 48\n255\n" + bytes(50),
}


@pytest.mark.parametrize("kind", FILES)
def test_an_unread_file_is_named(kind: str) -> None:
    with pytest.raises(UnreadableInput) as error:
        grey_levels(FILES[kind], 10**6)
    assert str(error.value) == f"is {kind}; only jpg, png, webp, bmp, tiff, gif, avif and heic are read"


@pytest.mark.parametrize("content", [b"\1\2\3" * 30, b"", b"\0" * 100, b"BM is no header, and \1 no text"])
def test_what_the_bytes_do_not_tell_has_no_name(content: bytes) -> None:
    assert kind_of(content) is None
    assert not is_text(content)
    assert image_format(content) is None


@pytest.mark.parametrize("first", [b"\x1a\x45\xdf\xa3" + bytes(50), b"RIFF\0\0\0\0AVI LIST", BOX + b"qt  "])
def test_videos_are_named(first: bytes) -> None:
    assert kind_of(first) == VIDEO


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        ((b"avif", b"mif1"), "AVIF"),
        ((b"avis", b"msf1"), "AVIF"),
        ((b"mif1", b"avif", b"miaf"), "AVIF"),
        ((b"heic", b"mif1"), "HEIC"),
        ((b"mif1", b"heic"), "HEIC"),
        ((b"msf1", b"hevc"), "HEIC"),
        ((b"mp42", b"heic"), None),
        ((b"mif1", b"vvic"), None),
    ],
)
def test_the_brands_tell_avif_from_heic(brands: tuple[bytes, ...], kind: str | None) -> None:
    box = (12 + 4 * len(brands)).to_bytes(4) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    # Bytes after the box are no brands.
    assert image_format(box + b"avifheic") == kind
