"""What is not read is refused under its true name, and never called truncated."""

import pytest

from tasks.common.errors import UnreadableInput
from tasks.common.file_kinds import file_kind, image_format
from tasks.readers.images import grey_levels

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
    "a video (MP4 or MOV)": BOX + b"isom\0\0\2\0isommp41",
    "a video (WebM or Matroska)": b"\x1aE\xdf\xa3" + bytes(50),
    "a video (AVI)": b"RIFF\0\0\0\0AVI LIST",
    "a HEIF image in another coding than HEVC or AV1": BOX + b"mif1\0\0\0\0mif1jpeg",
    "an SVG drawing": b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "an HTML page": b"\n<!DOCTYPE html><html><body><svg/></body></html>",
    "an XML file": b"<?xml version='1.0'?><a/>",
    "a text file": "Gesichter für alle\n".encode(),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
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
    assert file_kind(content) == ""
    assert image_format(content) is None


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
