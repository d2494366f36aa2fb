"""What a file is, by its first bytes, and what to do with a kind that is not read."""

import html
import re
from collections.abc import Sequence

from tasks.common.image_formats import HEIF, brands, image_format

HEAD_BYTES = 4096
"""Of a file's beginning; enough for every signature and for the title of a web page."""
GZIP, BZIP2, XZ, PARQUET = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PAR1"
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""The second is that of a zip without members."""
TAR, TAR_AT = b"ustar", 257

WEB_PAGE, LFS_POINTER, PICKLE, VIDEO = "a web page", "a Git LFS pointer", "a Python pickle", "a video"
NPZ = "a NumPy archive (npz)"
ZEROS = "a file of zero bytes (damaged, or a tar archive without files)"
OFFICE, OPEN_DOCUMENT = "an Office document (xlsx, docx, pptx)", "an OpenDocument file (ods, odt)"
NOT_READ = {
    WEB_PAGE: "the address may need a login, or be that of a page about the file: download the file in a browser and "
    "name that",
    LFS_POINTER: "run `git lfs pull` where it comes from, which replaces it by the file",
    PICKLE: "loading a pickle runs what is in it, so it is never opened: save the data as CSV with what wrote it",
    **dict.fromkeys(
        ("a 7z archive", "a rar archive", "packed with zstd", "packed with lz4", "packed with compress (.Z)"),
        "unpack it and name what it holds",
    ),
    **dict.fromkeys(
        (OFFICE, OPEN_DOCUMENT, "a Numbers document", "an old Office document (xls, doc)"), "export its sheet as CSV"
    ),
    **dict.fromkeys(
        (
            "a NumPy array (npy)",
            NPZ,
            "a MATLAB file (mat)",
            "an HDF5 file (h5)",
            "JSON",
            "an SQLite database",
        ),
        "save the data as CSV",
    ),
    **dict.fromkeys(("an Arrow file", "an ORC table", "an Avro file"), "save the data as CSV or Parquet"),
    "a PDF document": "save its pictures as png or jpg",
    VIDEO: "save its frames as png or jpg, or score it as a file in mp4, mov, webm, mkv or avi",
    ZEROS: "fetch or pack it again",
}
"""Kinds that are neither a table nor a picture that could be read, and the remedy."""

DOCUMENTS = {
    re.compile(r"\[Content_Types\]\.xml"): OFFICE,
    re.compile(r"META-INF/manifest\.xml"): OPEN_DOCUMENT,
    re.compile(r"Index/\w+\.iwa"): "a Numbers document",
}
"""What a zip is that has a file of such a name."""
SIGNATURES = (
    (0, PARQUET, "a Parquet table"),
    (0, GZIP, "a gzip archive"),
    (0, BZIP2, "a bzip2 archive"),
    (0, XZ, "an xz archive"),
    (TAR_AT, TAR, "a tar archive"),
    *((0, start, "a zip archive") for start in ZIPS),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (0, b"\x04\x22\x4d\x18", "packed with lz4"),
    (0, b"\x1f\x9d", "packed with compress (.Z)"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (xls, doc)"),
    (0, b"\x93NUMPY", "a NumPy array (npy)"),
    *((0, start, "a MATLAB file (mat)") for start in (b"MATLAB 5.0 MAT", b"MATLAB 7.3 MAT")),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (h5)"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    *((0, start, "an Arrow file") for start in (b"ARROW1\0\0", b"FEA1")),
    (0, b"ORC\x08", "an ORC table"),
    (0, b"Obj\x01", "an Avro file"),
    *((0, b"\x80%c" % version, PICKLE) for version in (2, 3, 4, 5)),
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript drawing"),
    (0, b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (0, b"{\\rtf", "a document (RTF)"),
    (8, b"CR\2", "a raw camera file (CR2)"),
    (4, b"ftypcrx ", "a raw camera file (CR3)"),
    (0, b"FUJIFILMCCD-RAW", "a raw camera file (RAF)"),
    (0, b"IIU\0", "a raw camera file (RW2)"),
    *((0, start, "a JPEG XL image") for start in (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    *((0, start, "a JPEG 2000 image") for start in (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    (0, b"\xff\xd8\xff\xf7", "a JPEG-LS image"),
    (0, b"II\xbc\1", "a JPEG XR image"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"v/1\1", "an OpenEXR image"),
    *((0, start, "a Radiance image (HDR)") for start in (b"#?RADIANCE", b"#?RGBE")),
    (0, b"SIMPLE  =", "a FITS image"),
    (128, b"DICM", "a DICOM image"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
    *((0, start, VIDEO) for start in (b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\x30\x26\xb2\x75", b"\x8aMNG")),
    *((8, start, VIDEO) for start in (b"AVI LIST", b"AVI \0")),
    (8, b"WAVEfmt ", "a sound"),
    (0, b"\x7fELF", "a program"),
    (0, b"\0\5\x16\7", "metadata of macOS (._ file)"),
    (0, b"version https://git-lfs.github.com/spec/", LFS_POINTER),
    (0, b"\0" * 512, ZEROS),
)
"""Offset, bytes, kind. The first that matches counts."""
BINARY_SIGNATURES = (
    *((0, start, "a raw camera file (ORF)") for start in (b"IIRO", b"IIRS", b"MMOR")),
    (0, b"FOVb", "a raw camera file (X3F)"),
    (0, b"8BPS", "a Photoshop file (PSD)"),
    (0, b"gimp xcf", "a GIMP file (XCF)"),
    (0, b"icns", "an icon (ICNS)"),
    (0, b"qoif", "a QOI image"),
    (0, b"DDS ", "a DirectDraw surface (DDS)"),
    (0, b"BPG\xfb", "a BPG image"),
    (0, b"AT&TFORM", "a DjVu document"),
    *((0, b"P%c" % kind, "a portable anymap (PNM)") for kind in b"456Ff"),
    *((0, b"FLV", VIDEO), (4, b"moov", VIDEO)),
    *((0, b"ID3", "a sound"), (0, b"OggS", "a sound or a video")),
    (0, b"MZ", "a program"),
)
"""The same for files that are no text, whose first letters a text may have too."""
_PAGE = re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head)\b", re.I | re.S)
_DRAWING = re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype svg[^>]*>\s*)?<svg\b", re.I | re.S)
_NO_TEXT = re.compile(rb"[^\x80-\xff\x20-\x7e\s]")
_TITLE = re.compile(rb"<title[^>]*>(.{1,300}?)</title", re.I | re.S)
_JSON = re.compile(rb'\{\s*(?:"|\}\s*$)|\[\s*[\[{"\d\]-]')


def kind_of(first: bytes) -> str | None:
    """The kind of a file, such as `a PDF document`, by its first HEAD_BYTES bytes; None for text and other bytes."""
    if form := image_format(first):
        return f"a {form} picture"
    signatures = SIGNATURES if is_text(first) else (*SIGNATURES, *BINARY_SIGNATURES)
    for at, signature, kind in signatures:
        if first.startswith(signature, at):
            return kind
    if brand := brands(first)[0]:
        return "a HEIF image in another coding than HEVC or AV1" if brand in HEIF else VIDEO
    return _kind_of_text(first.removeprefix(b"\xef\xbb\xbf").lstrip())


def _kind_of_text(text: bytes) -> str | None:
    if _PAGE.match(text):
        return WEB_PAGE
    if _DRAWING.match(text):
        return "an SVG drawing"
    if text.startswith(b"<?xml"):
        return "an XML file"
    return "JSON" if _JSON.match(text) else None


def is_text(first: bytes) -> bool:
    """Whether bytes are text in an encoding that extends ASCII; an empty file is none."""
    return bool(first) and not _NO_TEXT.search(first)


def refusal(first: bytes, members: Sequence[str] = ()) -> str | None:
    """Why a file with these first bytes is neither a table nor a picture, with the remedy; None if it may be one.

    `members` are the names in a zip: documents of office programs are zips too.
    """
    kind = _kind_of_zip(members) or kind_of(first)
    if kind not in NOT_READ:
        return None
    title = _TITLE.search(first) if kind == WEB_PAGE else None
    shown = f' ("{_words(title[1])}")' if title else ""
    return f"is {kind}{shown}, not a table or a picture; {NOT_READ[kind]}"


def _kind_of_zip(members: Sequence[str]) -> str | None:
    if is_npz(members):
        return NPZ
    return next((kind for name, kind in DOCUMENTS.items() if any(map(name.search, members))), None)


def is_npz(members: Sequence[str]) -> bool:
    """Whether a zip with files of these names is a NumPy archive. One with other files too is none."""
    return bool(members) and all(name.endswith(".npy") for name in members)


def why_no_table(first: bytes) -> str | None:
    """Why these are not the first bytes of a CSV, with the remedy; None if they may be."""
    kind = kind_of(first)
    if kind is None or kind in NOT_READ:
        return refusal(first)
    if is_packed(first) or first.startswith(PARQUET):
        remedy = "save it as CSV" if first.startswith(PARQUET) else "unpack it and name the CSV"
        return f"is {kind}, not the CSV that was expected; {remedy}"
    return f"is {kind}, not a table; name a CSV, or a folder <split>/<class name>/ of pictures"


def is_packed(first: bytes) -> bool:
    """Whether these are the first bytes of an archive that `archives.opened` unpacks."""
    return first.startswith((GZIP, BZIP2, XZ, *ZIPS)) or first.startswith(TAR, TAR_AT)


def _words(text: bytes) -> str:
    return " ".join(html.unescape(text.decode(errors="replace")).split())[:80]
