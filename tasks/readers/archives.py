"""Opens published files: plain, gzipped or zipped."""

import errno
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from tasks.common.files import InputError

GZIP, ZIPS = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of packed files; the second of a zip is that of a zip without members."""
ENCRYPTED = 0x1
"""Flag of a zip member (APPNOTE 4.4.4); zipfile itself raises a bare RuntimeError."""


@contextmanager
def opened(path: Path, shown: str | None = None) -> Iterator[BinaryIO]:
    """The bytes of a CSV, unpacked if its first bytes are those of gzip or zip. `shown` is its name in errors.

    Raises InputError if there is no such file, or it cannot be unpacked to its end.
    """
    name = shown or str(path)
    if not path.exists():
        raise InputError(f"{name}: there is no such file; correct the path in params.yaml")
    if not path.is_file():
        raise InputError(f"{name}: this is not a file; name the CSV itself")
    with unpacking(name), path.open("rb") as handle:
        first = handle.read(4)
        handle.seek(0)
        if first.startswith(GZIP):
            with gzip.open(handle) as unpacked:
                if unpacked.read(262)[257:] == b"ustar":
                    raise InputError(f"{name}: a tar archive; unpack it and name the CSV in it")
                unpacked.seek(0)
                yield cast(BinaryIO, unpacked)
        elif first in ZIPS:
            with zipfile.ZipFile(handle) as archive, member(archive, _only_table(archive, name), name) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield handle


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Turns what gzip and zip raise for corrupt bytes into an InputError that names the file `name`."""
    try:
        yield
    except (EOFError, OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        # A corrupt zip seeks to before its beginning (EINVAL); the errors of bz2 and gzip have no number.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise InputError(f"{name}: cannot be unpacked ({error or 'it ends too early'}); fetch it again") from None


def member(archive: zipfile.ZipFile, inside: str, name: str) -> IO[bytes]:
    """Opens a file of an archive. Raises InputError, which names the archive `name`, if it cannot be opened."""
    if archive.getinfo(inside).flag_bits & ENCRYPTED:
        raise InputError(f"{name}: cannot be unpacked ({inside} is encrypted); unpack it yourself")
    try:
        return archive.open(inside)
    except NotImplementedError as error:
        raise InputError(f"{name}: cannot be unpacked ({error}); unpack it yourself") from None


def _only_table(archive: zipfile.ZipFile, name: str) -> str:
    tables = [inside for inside in archive.namelist() if inside.lower().endswith(".csv") and not is_hidden(inside)]
    if len(tables) != 1:
        found = ", ".join(tables[:4]) if tables else "none"
        raise InputError(f"{name}: one CSV is needed in the archive, found {found}; unpack it and name the CSV")
    return tables[0]


def is_hidden(name: str) -> bool:
    """Whether a file is hidden or metadata of macOS, which adds one beside each file that it zips."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
