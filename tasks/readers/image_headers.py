"""Bounds on what the bytes of an image claim, checked before a decoder reads them.

A file of a few kilobytes can cost a decoder gigabytes or hours: TIFF tags that all point at the same bytes, a JPEG with
thousands of scans, a PNG with thousands of compressed profiles.
"""

import re
import struct

from tasks.common.errors import UnreadableInput

MAX_SCANS = 100
"""Scans of a JPEG. A progressive one has about ten; each costs a pass over all pixels."""
PNG = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS, MAX_PROFILES = 100_000, 16
"""Chunks and colour profiles of a PNG, which may have one profile. Each is inflated, up to a megabyte."""
MAX_TAGS = 4096
"""Tags of a TIFF's directory, which usually has about twenty."""
TIFF_SIGNATURES = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes per value, by the type of a TIFF tag."""
# Ends the data of a scan: 0xFF with neither a stuffed zero nor a restart marker.
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


def check_bounds(content: bytes) -> None:
    """Raises UnreadableInput if decoding the bytes may take far more memory or time than their size suggests."""
    if content.startswith(b"\xff\xd8"):
        _check_scans(content)
    elif content.startswith(PNG):
        _check_chunks(content)
    elif content[:4] in TIFF_SIGNATURES:
        _check_tags(content)


def _check_scans(content: bytes) -> None:
    """Counts the scans of a JPEG up to its end marker; appended data, such as a second image, does not count."""
    position, scans = 2, 0
    while found := _MARKER.search(content, position):
        marker, position = content[found.end() - 1], found.end()
        if marker == 0xD9:
            return
        if marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS:
                raise UnreadableInput(f"has more than {MAX_SCANS} scans; save it again")
        if marker not in (0x01, 0xD8):
            position += int.from_bytes(content[position : position + 2])


def _check_chunks(content: bytes) -> None:
    """No chunk of a PNG is larger than its file, because OpenCV allocates its size; only the first is a header."""
    position, chunks, profiles = len(PNG), 0, 0
    while position + 8 <= len(content):
        size, name = int.from_bytes(content[position : position + 4]), content[position + 4 : position + 8]
        chunks, profiles = chunks + 1, profiles + (name == b"iCCP")
        if (name == b"IHDR") != (chunks == 1):
            raise UnreadableInput("is corrupt (its header is not its first chunk, or is repeated)")
        if chunks > MAX_CHUNKS or profiles > MAX_PROFILES:
            raise UnreadableInput(f"has more than {MAX_CHUNKS:,} chunks, or {MAX_PROFILES} colour profiles")
        position += 12 + size
        if position > len(content):
            raise UnreadableInput("is truncated or corrupt (a chunk is larger than the file)")
        if name == b"IEND":
            return


def _check_tags(content: bytes) -> None:
    """The values of a TIFF's first directory fit into its file, and no tag is repeated."""
    order, big = TIFF_SIGNATURES[content[:4]], content[2:4].strip(b"\0") == b"+"
    try:
        (start,) = struct.unpack_from(order + ("Q" if big else "L"), content, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, start)
        if count > MAX_TAGS:
            raise UnreadableInput(f"has more than {MAX_TAGS:,} tags")
        first, entry = (start + 8, order + "HHQ8x") if big else (start + 2, order + "HHL4x")
        end = first + count * struct.calcsize(entry)
        tags = list(struct.iter_unpack(entry, content[first:end]))
    except (struct.error, OverflowError):
        raise UnreadableInput("is truncated or corrupt (its directory of tags is incomplete)") from None
    if len({tag for tag, _, _ in tags}) < len(tags):
        # Decoders differ in which one they use.
        raise UnreadableInput("is corrupt (a tag is repeated)")
    if sum(values * SIZES.get(kind, 0) for _, kind, values in tags) > len(content):
        raise UnreadableInput("is corrupt (its tags are larger than the file)")
