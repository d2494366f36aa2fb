"""Corrupts bytes as transfers, broken disks and attackers do, reproducibly from a seed."""

import gzip
import re
import struct
import zipfile
import zlib
from io import BytesIO
from random import Random

from tests.readers.bombs import chunk
from tests.readers.fuzz_seeds import zipped

EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER = 64
PNG = b"\x89PNG\r\n\x1a\n"


def mutated(content: bytes, other: bytes, random: Random) -> bytes:
    """`content` with one to four kinds of damage; it may be spliced with `other`."""
    for _ in range(random.randint(1, 4)):
        content = random.choice(KINDS)(content, other, random)
    return content


def repacked(content: bytes, other: bytes, random: Random) -> bytes:
    """`content` with damage inside its compressed data and valid checksums, so that it passes the readers' checks."""
    if content.startswith(PNG):
        return _png(content, other, random)
    if content.startswith(b"\x1f\x8b"):
        return gzip.compress(mutated(gzip.decompress(content), gzip.decompress(other), random))
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        name = random.choice(list(files))
        return zipped({**files, name: mutated(files[name], random.choice(list(files.values())), random)})
    return mutated(content, other, random)


def _png(content: bytes, other: bytes, random: Random) -> bytes:
    """A PNG with one damaged chunk of matching length and checksum."""
    place, chunks = len(PNG), []
    while place + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    at = random.randrange(len(chunks))
    name, inside = chunks[at]
    if name == b"IDAT" and random.random() < 0.5:
        inside = zlib.compress(mutated(zlib.decompress(inside), other, random))
    else:
        inside = mutated(inside, other, random)
    chunks[at] = (random.choice(chunks)[0] if random.random() < 0.1 else name, inside)
    if random.random() < 0.2:
        chunks.insert(random.randrange(len(chunks)), random.choice(chunks))
    return PNG + b"".join(chunk(*named) for named in chunks)


def _truncate(content: bytes, other: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _flip(content: bytes, other: bytes, random: Random) -> bytes:
    if not content:
        return content
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 4, 16))):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def _splice(content: bytes, other: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)] + other[random.randrange(len(other) + 1) :]


def _range(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, start + random.choice((1, 2, 7, 64, 1024))


def _repeat(content: bytes, other: bytes, random: Random) -> bytes:
    start, end = _range(content, random)
    return content[:end] + content[start:end] * random.choice((1, 2, 50)) + content[end:]


def _delete(content: bytes, other: bytes, random: Random) -> bytes:
    start, end = _range(content, random)
    return content[:start] + content[end:]


def _extreme(content: bytes, other: bytes, random: Random) -> bytes:
    """A number of 16, 32 or 64 bits, mostly in the header, becomes 0, very large, or close to its old value."""
    place = random.randrange(len(content) + 1)
    if random.random() < 0.6:
        place %= HEADER
    code = random.choice("<>") + random.choice("HIIQ")
    size = struct.calcsize(code)
    if place + size > len(content):
        return content
    (old,) = struct.unpack_from(code, content, place)
    new = random.choice((*EXTREMES, old + 1, old - 1, old * 2)) % 256**size
    return content[:place] + struct.pack(code, new) + content[place + size :]


def _number(content: bytes, other: bytes, random: Random) -> bytes:
    """A decimal number, as in tables, becomes an invalid cell."""
    found = list(re.finditer(rb"[0-9]+", content[:4096]))
    if not found:
        return content
    one, new = random.choice(found), random.choice((b"-1", b"256", b"", b"nan", b"1e999", b"9" * 30, b'"', b",", b"\n"))
    return content[: one.start()] + new + content[one.end() :]


KINDS = (_truncate, _flip, _flip, _splice, _repeat, _delete, _extreme, _extreme, _number)
