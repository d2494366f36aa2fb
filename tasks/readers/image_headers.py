"""Bounds on what a picture's bytes may claim or ask for, checked before a decoder sees them.

A file of some kilobytes can make a decoder take gigabytes or hours: TIFF tags that all point at the same bytes, a JPEG
of thousands of scans, a PNG of thousands of compressed profiles.
"""

import re
import struct

from tasks.common.errors import Unusable

MOST_SCANS = 100
"""Of a JPEG. Progressive ones have about ten; each costs a pass over all pixels."""
PNG = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS, MOST_PROFILES = 100_000, 16
"""Of a PNG, which may have one profile. Each is inflated, to a megabyte."""
MOST_TAGS = 4096
"""Of a TIFF's directory. Usual ones have about twenty."""
TIFF_HEADS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by the type of a TIFF tag."""
# What follows a scan's data: 0xFF with neither a stuffed zero nor a restart marker.
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


def check_bounds(content: bytes) -> None:
    """Raises Unusable where decoding the bytes may take far more memory or time than their size suggests."""
    if content.startswith(b"\xff\xd8"):
        _check_scans(content)
    elif content.startswith(PNG):
        _check_chunks(content)
    elif content[:4] in TIFF_HEADS:
        _check_tags(content)


def _check_scans(content: bytes) -> None:
    """Counts the scans of a JPEG up to its end; a second picture, or what else is appended, does not count."""
    place, scans = 2, 0
    while found := _MARKER.search(content, place):
        marker, place = content[found.end() - 1], found.end()
        if marker == 0xD9:
            return
        if marker == 0xDA:
            scans += 1
            if scans > MOST_SCANS:
                raise Unusable(f"has more than {MOST_SCANS} scans; save it anew")
        if marker not in (0x01, 0xD8):
            place += int.from_bytes(content[place : place + 2])


def _check_chunks(content: bytes) -> None:
    """No chunk of a PNG is larger than its file, for OpenCV takes as much memory; only the first is a header."""
    place, chunks, profiles = len(PNG), 0, 0
    while place + 8 <= len(content):
        size, name = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        chunks, profiles = chunks + 1, profiles + (name == b"iCCP")
        if (name == b"IHDR") != (chunks == 1):
            raise Unusable("is spoilt (its header is not its first chunk, or stands in it twice)")
        if chunks > MOST_CHUNKS or profiles > MOST_PROFILES:
            raise Unusable(f"has more than {MOST_CHUNKS:,} chunks, or {MOST_PROFILES} colour profiles")
        place += 12 + size
        if place > len(content):
            raise Unusable("is cut off or spoilt (a chunk is larger than the file)")
        if name == b"IEND":
            return


def _check_tags(content: bytes) -> None:
    """The values of a TIFF's first directory fit into its file, and none of its tags stands there twice."""
    order, big = TIFF_HEADS[content[:4]], content[2:4].strip(b"\0") == b"+"
    try:
        (start,) = struct.unpack_from(order + ("Q" if big else "L"), content, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, start)
        if count > MOST_TAGS:
            raise Unusable(f"has more than {MOST_TAGS:,} tags")
        first, entry = (start + 8, order + "HHQ8x") if big else (start + 2, order + "HHL4x")
        end = first + count * struct.calcsize(entry)
        tags = list(struct.iter_unpack(entry, content[first:end]))
    except (struct.error, OverflowError):
        raise Unusable("is cut off or spoilt (its directory of tags is not whole)") from None
    if len({tag for tag, _, _ in tags}) < len(tags):
        # Decoders differ in which of them they heed.
        raise Unusable("is spoilt (a tag stands in it twice)")
    if sum(values * SIZES.get(kind, 0) for _, kind, values in tags) > len(content):
        raise Unusable("is spoilt (its tags are larger than the file)")
