"""What a file is, by its first bytes, and what to do with a kind that is not read."""

import html
import re
from collections.abc import Iterable

HEAD_BYTES = 4096
"""Of a file's beginning; enough for every signature and for the title of a web page."""
GZIP, BZIP2, XZ, PARQUET = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PAR1"
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""The second is that of a zip without members."""
TAR, TAR_AT = b"ustar", 257
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Endings of the pictures that are read; the bytes decide, and a damaged file with such an ending is a bad picture."""

WEB_PAGE, LFS_POINTER, PICKLE = "a web page", "a Git LFS pointer", "a Python pickle"
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
            "a NumPy archive (npz)",
            "a MATLAB file (mat)",
            "an HDF5 file (h5)",
            "JSON",
            "an SQLite database",
        ),
        "save the data as CSV",
    ),
    **dict.fromkeys(("an Arrow file", "an ORC table", "an Avro file"), "save the data as CSV or Parquet"),
    "a PDF document": "save its pictures as png or jpg",
    "a video": "save its frames as png or jpg",
}
"""Kinds that are neither a table nor a picture that could be read, and the remedy."""

DOCUMENTS = {
    re.compile(r"\[Content_Types\]\.xml"): OFFICE,
    re.compile(r"META-INF/manifest\.xml"): OPEN_DOCUMENT,
    re.compile(r"Index/\w+\.iwa"): "a Numbers document",
    re.compile(r"^[^/]+\.npy$"): "a NumPy archive (npz)",
}
"""What a zip is that has a file of such a name."""
# Offset, bytes, kind. The first that matches counts.
SIGNATURES = (
    (0, PARQUET, "a Parquet table"),
    (0, GZIP, "a gzip archive"),
    (0, BZIP2, "a bzip2 archive"),
    (0, XZ, "an xz archive"),
    (TAR_AT, TAR, "a tar archive"),
    *((0, start, "a zip archive") for start in ZIPS),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (8, b"WEBP", "a WebP picture"),
    *((0, start, "a TIFF picture") for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
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
    (0, b"%PDF-", "a PDF document"),
    *((0, b"\x80%c" % version, PICKLE) for version in (2, 3, 4, 5)),
    *((4, b"ftyp" + brand, "a video") for brand in (b"isom", b"iso2", b"mp4", b"M4V", b"qt  ", b"avc1", b"3gp")),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (8, b"AVI LIST", "a video"),
    (0, b"version https://git-lfs.github.com/spec/", LFS_POINTER),
)
_PAGE = re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head)\b", re.I | re.S)
_TITLE = re.compile(rb"<title[^>]*>(.{1,300}?)</title", re.I | re.S)
_JSON = re.compile(rb'\{\s*(?:"|\}\s*$)|\[\s*[\[{"\d\]-]')


def kind_of(first: bytes) -> str | None:
    """The kind of a file, such as `a PDF document`, by its first HEAD_BYTES bytes; None for text and other bytes."""
    for at, signature, kind in SIGNATURES:
        if first.startswith(signature, at):
            return kind
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(text):
        return WEB_PAGE
    return "JSON" if _JSON.match(text) else None


def refusal(first: bytes, members: Iterable[str] = ()) -> str | None:
    """Why a file with these first bytes is neither a table nor a picture, with the remedy; None if it may be one.

    `members` are the names in a zip: documents of office programs are zips too.
    """
    kind = next((kind for name, kind in DOCUMENTS.items() if any(map(name.search, members))), None) or kind_of(first)
    if kind not in NOT_READ:
        return None
    title = _TITLE.search(first) if kind == WEB_PAGE else None
    shown = f' ("{_words(title[1])}")' if title else ""
    return f"is {kind}{shown}, not a table or a picture; {NOT_READ[kind]}"


def why_no_table(first: bytes) -> str | None:
    """Why these are not the first bytes of a CSV, with the remedy; None if they may be."""
    kind = kind_of(first)
    if is_picture(first):
        return f"is {kind}, not a table; name a CSV, or a folder <split>/<class name>/ of pictures"
    if kind is None or kind in NOT_READ:
        return refusal(first)
    remedy = "save it as CSV" if first.startswith(PARQUET) else "unpack it and name the CSV"
    return f"{kind} where the CSV was expected; {remedy}"


def is_picture(first: bytes) -> bool:
    """Whether these are the first bytes of a picture."""
    return (kind_of(first) or "").endswith(" picture")


def is_packed(first: bytes) -> bool:
    """Whether these are the first bytes of an archive that `archives.opened` unpacks."""
    return first.startswith((GZIP, BZIP2, XZ, *ZIPS)) or first.startswith(TAR, TAR_AT)


def _words(text: bytes) -> str:
    return " ".join(html.unescape(text.decode(errors="replace")).split())[:80]
