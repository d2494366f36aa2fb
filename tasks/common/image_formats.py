"""The formats of images that are read, told by their first bytes, whatever the file's name."""

TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
"""First bytes of a TIFF, and its byte order."""
PNG = b"\x89PNG\r\n\x1a\n"
STILL_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
    *(".avif", ".avifs", ".heic", ".heif", ".hif"),
)
"""Endings of the names of pictures that are never read as videos."""
IMAGE_SUFFIXES = (*STILL_SUFFIXES, ".gif")
"""Endings of the names of pictures: a damaged file with one of them is a bad image."""
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
AVIF = {b"avif", b"avis"}
HEIF = {b"mif1", b"mif2", b"msf1", b"miaf"}
"""Brands of the file type box: of images in HEVC, in AV1, and of both."""
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Bytes of a BMP's second header; text may begin with BM too."""


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
    first, *others = brands(content)
    if first in AVIF or (first in HEIF and AVIF & set(others)):
        return "AVIF"
    return "HEIC" if first in HEIC or (first in HEIF and HEIC & set(others)) else None


def brands(content: bytes) -> list[bytes]:
    """The brands of a file type box (ISO 14496-12), the major one first; an empty one if there is no such box."""
    if content[4:8] != b"ftyp":
        return [b""]
    end = min(int.from_bytes(content[:4]), 1024)
    return [content[8:12], *(content[start : start + 4] for start in range(16, end, 4))]
