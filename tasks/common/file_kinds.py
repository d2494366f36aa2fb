"""Tells from its first bytes what a file is, whatever its name: what is not read is refused under its true name."""

import re

TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
"""First bytes of a TIFF, and its byte order."""
PNG = b"\x89PNG\r\n\x1a\n"
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    *((8, b"CR\2", "a raw camera file (CR2)"), (4, b"ftypcrx ", "a raw camera file (CR3)")),
    *((0, b"FUJIFILMCCD-RAW", "a raw camera file (RAF)"), (0, b"IIU\0", "a raw camera file (RW2)")),
    *((0, b"IIR", "a raw camera file (ORF)"), (0, b"FOVb", "a raw camera file (X3F)")),
    *((0, b"%PDF", "a PDF document"), (0, b"%!PS", "a PostScript drawing"), (0, b"\xc5\xd0\xd3\xc6", "an EPS drawing")),
    *((0, b"8BPS", "a Photoshop file (PSD)"), (0, b"gimp xcf", "a GIMP file (XCF)")),
    *((0, b"\xff\x0a", "a JPEG XL image"), (0, b"\0\0\0\x0cJXL ", "a JPEG XL image")),
    *((0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"), (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image")),
    *((0, b"\xff\xd8\xff\xf7", "a JPEG-LS image"), (0, b"II\xbc\1", "a JPEG XR image")),
    *((0, b"\0\0\1\0", "an icon (ICO)"), (0, b"icns", "an icon (ICNS)")),
    *(
        (0, b"v/1\1", "an OpenEXR image"),
        (0, b"#?RADIANCE", "a Radiance image (HDR)"),
        (0, b"#?RGBE", "a Radiance image"),
    ),
    *((0, b"SIMPLE  =", "a FITS image"), (128, b"DICM", "a DICOM image"), (0, b"qoif", "a QOI image")),
    *((0, b"DDS ", "a DirectDraw surface (DDS)"), (0, b"BPG\xfb", "a BPG image"), (0, b"AT&TFORM", "a DjVu document")),
    *((0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"), (40, b" EMF", "a Windows metafile (EMF)")),
    *((0, b"\x8aMNG", "a MNG animation"), (0, b"\x0a\5\1\x08", "a PCX image"), (0, b"\1\xda", "an SGI image")),
    *((0, b"\x1aE\xdf\xa3", "a video (WebM or Matroska)"), (8, b"AVI ", "a video (AVI)"), (0, b"FLV", "a video (FLV)")),
    *((0, b"\0\0\1\xba", "a video (MPEG)"), (0, b"\x30\x26\xb2\x75", "a video (WMV)"), (4, b"moov", "a video (MOV)")),
    *((8, b"WAVE", "a sound (WAV)"), (0, b"ID3", "a sound (MP3)"), (0, b"OggS", "a sound or video (Ogg)")),
    *((0, b"PK\3\4", "a zip archive"), (0, b"\x1f\x8b", "a gzip file"), (0, b"7z\xbc\xaf", "a 7z archive")),
    *((0, b"Rar!", "a RAR archive"), (257, b"ustar", "a tar archive"), (0, b"PAR1", "a Parquet table")),
    *((0, b"\x93NUMPY", "a NumPy array"), (0, b"\x89HDF", "an HDF5 file"), (0, b"{\\rtf", "a document (RTF)")),
    *((0, b"\xd0\xcf\x11\xe0", "an Office document"), (0, b"\x7fELF", "a program"), (0, b"MZ", "a program")),
    *((0, b"\0\5\x16\7", "metadata of macOS (._ file)"), (0, b"version https://git-lfs", "a pointer of Git LFS")),
)
"""Offset, bytes and name of what is not read."""
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
AVIF = {b"avif", b"avis"}
HEIF = {b"mif1", b"mif2", b"msf1", b"miaf"}
"""Brands of the file type box: of images in HEVC, in AV1, and of both."""
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Bytes of a BMP's second header; text may begin with BM too."""
_ANYMAP = re.compile(rb"P[1-7Ff]\s")
_NO_TEXT = re.compile(rb"[^\x80-\xff\x20-\x7e\s]")


def image_format(content: bytes) -> str | None:
    """The format of an image that is read: JPEG, PNG, GIF, WEBP, TIFF, BMP, AVIF or HEIC; None for everything else."""
    if content.startswith(b"\xff\xd8\xff") and content[3:4] != b"\xf7":
        return "JPEG"
    if content.startswith(PNG):
        return "PNG"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[:4] in TIFF and content[8:11] != b"CR\2":
        return "TIFF"
    if content[:2] == b"BM" and int.from_bytes(content[14:18], "little") in BMP_HEADERS:
        return "BMP"
    first, *others = _brands(content)
    if first in AVIF or (first in HEIF and AVIF & set(others)):
        return "AVIF"
    return "HEIC" if first in HEIC or (first in HEIF and HEIC & set(others)) else None


def file_kind(content: bytes) -> str:
    """What a file is that is no image that is read, as `a PDF document`; empty if its first bytes do not tell."""
    for offset, signature, kind in SIGNATURES:
        if content[offset : offset + len(signature)] == signature:
            return kind
    if _ANYMAP.match(content):
        return "a portable anymap (PNM)"
    if first := _brands(content)[0]:
        return "a HEIF image in another coding than HEVC or AV1" if first in HEIF else "a video (MP4 or MOV)"
    return _kind_of_text(content[:4096])


def _brands(content: bytes) -> list[bytes]:
    """The brands of a file type box (ISO 14496-12), the major one first; an empty one if there is no such box."""
    if content[4:8] != b"ftyp":
        return [b""]
    end = min(int.from_bytes(content[:4]), 1024)
    return [content[8:12], *(content[start : start + 4] for start in range(16, end, 4))]


def _kind_of_text(start: bytes) -> str:
    if not start or _NO_TEXT.search(start):
        return ""
    lower = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if b"<svg" in lower and lower.startswith(b"<"):
        return "an SVG drawing"
    return "an XML file" if lower.startswith(b"<?xml") else "a text file"
