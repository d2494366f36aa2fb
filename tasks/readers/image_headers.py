"""Bounds on what the bytes of an image claim, checked before a decoder reads them.

A file of a few kilobytes can cost a decoder gigabytes or hours: TIFF tags that all point at the same bytes, a JPEG with
thousands of scans, a PNG with thousands of compressed profiles.
"""

import re
import struct
from io import BytesIO
from typing import NamedTuple

from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

from tasks.common.errors import UnreadableInput
from tasks.common.image_formats import PNG, TIFF

MAX_SCANS = 100
"""Scans of a JPEG. A progressive one has about ten; each costs a pass over all pixels."""
MAX_CHUNKS, MAX_PROFILES = 100_000, 16
"""Chunks and colour profiles of a PNG, which may have one profile. Each is inflated, up to a megabyte."""
MAX_TAGS = 4096
"""Tags of a TIFF's directory, which usually has about twenty."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes per value, by the type of a TIFF tag."""
SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, PLANES, EXTRA, SAMPLE_FORMAT, DNG = 254, 258, 259, 262, 284, 338, 339, 50706
"""Tags of a TIFF."""
HEAD, MAX_EXTENT = 2**20, 16384**2
"""Bytes in which the boxes of an AVIF or HEIC stand, and pixels that a box may declare."""
_EXTENT = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
# Ends the data of a scan: 0xFF with neither a stuffed zero nor a restart marker.
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


class Samples(NamedTuple):
    """How the values of an image are stored.

    `is_inverted`: 0 is white. `is_plain`: the channels of a pixel stand together and are not multiplied by its alpha.
    """

    bits: int = 8
    is_inverted: bool = False
    is_signed: bool = False
    is_plain: bool = True


def samples_of(content: bytes) -> Samples:
    """How the values of an image are stored. Raises UnreadableInput for a TIFF that is a raw camera file."""
    if content.startswith(PNG):
        return Samples(content[24])
    if content[:4] not in TIFF:
        return Samples()
    return _samples_of_tiff(content)


def _samples_of_tiff(content: bytes) -> Samples:
    big = content[2:4].strip(b"\0") == b"+"
    tags, handle = ImageFileDirectory_v2(content[: 16 if big else 8]), BytesIO(content)
    handle.seek(tags.next)
    tags.load(handle)
    if DNG in tags or tags.get(SUBFILE, 0) & 1:
        raise UnreadableInput("is a raw camera file, or begins with a preview; save the picture itself as jpg or png")
    if tags.get(COMPRESSION, 1) not in COMPRESSION_INFO:
        raise UnreadableInput(
            f"is a TIFF in the compression {tags[COMPRESSION]}, which is not read; save it with another"
        )
    bits, kinds = max(tags.get(BITS, (1,))), set(tags.get(SAMPLE_FORMAT, (1,)))
    if bits not in (1, 2, 4, 8, 12, 16, 32) or (bits == 8 and kinds != {1}) or (bits == 16 and 3 in kinds):
        kind = {(1,): "unsigned", (2,): "signed", (3,): "floating-point"}.get(tuple(kinds), "unusual")
        raise UnreadableInput(f"is a TIFF of {kind} values of {bits} bits, which are not read; save it with 8 bits")
    is_plain = tags.get(PLANES, 1) == 1 and 1 not in tags.get(EXTRA, ())
    return Samples(bits, tags.get(PHOTOMETRIC) == 0, 2 in kinds, is_plain)


def check_bounds(content: bytes) -> None:
    """Raises UnreadableInput if decoding the bytes may take far more memory or time than their size suggests."""
    if content.startswith(b"\xff\xd8"):
        _check_scans(content)
    elif content.startswith(PNG):
        _check_chunks(content)
    elif content[:4] in TIFF:
        _check_tags(content)
    elif content[4:8] == b"ftyp":
        _check_boxes(content)


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
        if marker in (0xC0, 0xC1, 0xC2) and content[position + 2 : position + 3] == b"\x0c":
            raise UnreadableInput("is a JPEG of 12 bits, which is not read; save it with 8 bits")
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


def _check_boxes(content: bytes) -> None:
    """The sizes that an AVIF or HEIC declares are those that its decoder accepts: libavif and libheif bound the rest.

    An image that decodes to more than it declares is refused by libheif; libavif decodes it, up to this bound.
    """
    for found in _EXTENT.finditer(content, 0, HEAD):
        width, height = struct.unpack(">II", found[1])
        if width * height > MAX_EXTENT:
            raise UnreadableInput(f"{width}x{height} pixels are more than {MAX_EXTENT:,}; make it smaller")


def _check_tags(content: bytes) -> None:
    """The values of a TIFF's first directory fit into its file, and no tag is repeated."""
    order, big = TIFF[content[:4]], content[2:4].strip(b"\0") == b"+"
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
