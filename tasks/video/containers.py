"""Tells by its bytes which container a video is in, and whether all of it is there."""

import os
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from tasks.common.file_kinds import VIDEO, is_text, kind_of
from tasks.common.image_formats import image_format

SUFFIXES = (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".webm", ".mkv", ".avi")
"""Endings of the names of videos: at an address, where no bytes tell, and for what is then not one."""
FORMATS = "mp4, mov, webm, mkv, avi and animated gif"
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Types of the first box of an mp4 (ISO 14496-12) or a QuickTime movie, which may be without a file type."""
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
"""IDs of the first two elements of a Matroska file (RFC 9559)."""
MAX_BOXES = 1_000_000


def container_of(first: bytes) -> str | None:
    """`mov` (also mp4), `matroska` (also webm), `avi` or `gif`, by the first bytes of a file; None for all else.

    A GIF may be a picture, see `is_animated`. Text is None: it may be a list of files that FFmpeg would open.
    """
    if image_format(first) == "GIF":
        return "gif"
    if is_text(first) or image_format(first) or kind_of(first) not in (None, VIDEO):
        return None
    if first.startswith(EBML):
        return "matroska"
    if first.startswith(b"RIFF") and first[8:11] == b"AVI":
        return "avi"
    return "mov" if first[4:8] in BOXES else None


def is_animated(gif: BinaryIO) -> bool:
    """Whether a GIF has several frames, of which the second can be found."""
    try:
        with Image.open(gif, formats=("GIF",)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # damaged bytes raise any error; the reader of pictures says what is wrong
        return False


def not_a_video(first: bytes) -> str:
    """Why a file with the name of a video and these first bytes is none."""
    if not first:
        return "is empty"
    if is_text(first):
        return f"is {kind_of(first) or 'a text file'}, not a video; a playlist or a list of files is never followed"
    found = kind_of(first)
    return f"is {found}, not a video" if found else f"is not a video of the formats {FORMATS}"


def missing_bytes(video: BinaryIO, container: str) -> int:
    """By how many bytes a file is shorter than its outermost boxes, elements or chunks say; 0 if they do not say."""
    count: Callable[[BinaryIO, int], int]
    count = {"mov": _end_of_boxes, "matroska": _end_of_segment, "avi": _end_of_riff}.get(container, _unknown)
    size = os.fstat(video.fileno()).st_size
    video.seek(0)
    missing = count(video, size) - size
    video.seek(0)
    return max(missing, 0)


def _end_of_boxes(video: BinaryIO, size: int) -> int:
    at = 0
    for _ in range(MAX_BOXES):
        video.seek(at)
        header = video.read(16)
        length = int.from_bytes(header[:4])
        if length == 1:
            length = int.from_bytes(header[8:])
        if len(header) < 8 or length < 8:  # the end, a box up to the end, or damage
            return size
        at += length
        if at >= size:
            return at
    return size


def _end_of_segment(video: BinaryIO, size: int) -> int:
    head = video.read(256)
    length, width = _element_size(head[4:])
    start = 4 + width + length
    if head[start : start + 4] != SEGMENT:
        return size
    length, width = _element_size(head[start + 4 :])
    return size if length == 2 ** (7 * width) - 1 else start + 4 + width + length


def _element_size(data: bytes) -> tuple[int, int]:
    """The size of an element, and the bytes that hold it (RFC 8794, 4); all ones, of any width, means unknown."""
    width = 9 - data[0].bit_length() if data and data[0] else 8
    return int.from_bytes(data[:width]) & (2 ** (7 * width) - 1), width


def _end_of_riff(video: BinaryIO, size: int) -> int:
    return 8 + int.from_bytes(video.read(8)[4:], "little")


def _unknown(video: BinaryIO, size: int) -> int:
    return size
