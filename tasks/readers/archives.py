"""Opens published files: plain, packed with gzip, bzip2 or xz, or as the only CSV of a zip or a tar archive."""

import bz2
import errno
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from _compression import DecompressReader
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from tasks.common.file_kinds import BZIP2, GZIP, HEAD_BYTES, TAR, TAR_AT, XZ, ZIPS, refusal, why_no_table
from tasks.common.files import InputError
from tasks.common.image_formats import IMAGE_SUFFIXES
from tasks.common.walking import is_hidden

ENCRYPTED = 0x1
"""Flag of a zip member (APPNOTE 4.4.4); zipfile itself raises a bare RuntimeError."""
XZ_MEMORY = 128 * 2**20
"""Memory that unpacking xz may take; its strongest preset takes 65 MiB."""
MAX_TAR_HEADER, MAX_TAR_FILES = 2**16, 10_000
"""Bytes of a header of a tar archive, and the files that are looked through for the CSV."""
PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".tar", ".7z", ".rar", ".zst")
NAMES_SHOWN = 4
CORRUPT = (EOFError, OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, NotImplementedError)
"""What the libraries raise for corrupt bytes."""


@contextmanager
def opened(path: Path, shown: str | None = None) -> Iterator[BinaryIO]:
    """The bytes of a CSV, unpacked if its first bytes are those of an archive. `shown` is its name in errors.

    Raises InputError if there is no such file, it cannot be unpacked to its end, or it is of a kind that is not read.
    """
    name = shown or str(path)
    if not path.exists():
        what = f"a broken link to {os.readlink(path)}" if path.is_symlink() else "there is no such file"
        raise InputError(f"{name}: {what}; correct the path")
    if not path.is_file():
        raise InputError(f"{name}: this is not a file; name the CSV itself")
    with unpacking(name), path.open("rb") as handle, _unpacked(handle, name) as table:
        yield table


@contextmanager
def _unpacked(handle: BinaryIO, name: str) -> Iterator[BinaryIO]:
    first = _first(handle)
    if first.startswith(ZIPS):
        with zipfile.ZipFile(handle) as archive, member(archive, _only_table(archive.namelist(), name), name) as inside:
            _require_table(inside.read(HEAD_BYTES), name)
            inside.seek(0)
            yield cast(BinaryIO, inside)
        return
    stream = unpack(handle) if (unpack := _unpacker(first)) else handle
    first = _first(stream)
    if first[TAR_AT:].startswith(TAR):
        with _table_of_tar(stream, name) as inside:
            _require_table(_first(inside), name)
            yield inside
    else:
        _require_table(first, name)
        yield stream


def _unpacker(first: bytes) -> Callable[[BinaryIO], BinaryIO] | None:
    if first.startswith(GZIP):
        return lambda handle: cast(BinaryIO, gzip.open(handle))
    if first.startswith(BZIP2):
        return lambda handle: _decompressed(handle, bz2.BZ2Decompressor)
    if first.startswith(XZ):
        return lambda handle: _decompressed(handle, lzma.LZMADecompressor, format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    return None


def _decompressed(handle: BinaryIO, decompressor: Any, **options: Any) -> BinaryIO:
    # LZMAFile has no limit of memory, and both take a corrupt second stream for the end of the file.
    return io.BufferedReader(DecompressReader(handle, decompressor, trailing_error=(), **options), 2**18)


def _first(handle: BinaryIO) -> bytes:
    first = handle.read(HEAD_BYTES)
    handle.seek(0)
    return first


def _require_table(first: bytes, name: str) -> None:
    if reason := why_no_table(first):
        raise InputError(f"{name}: {reason}")


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Turns what the unpacking libraries raise for corrupt bytes into an InputError that names the file `name`."""
    try:
        yield
    except CORRUPT as error:
        # A corrupt zip seeks to before its beginning (EINVAL); the errors of bz2 and gzip have no number.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        remedy = "unpack it yourself" if "limit" in str(error) else "fetch it again"
        raise InputError(f"{name}: cannot be unpacked ({error or 'it ends too early'}); {remedy}") from None


def member(archive: zipfile.ZipFile, inside: str, name: str) -> IO[bytes]:
    """Opens a file of an archive. Raises InputError, which names the archive `name`, if it cannot be opened."""
    entry = archive.getinfo(inside)
    if entry.flag_bits & ENCRYPTED:
        raise InputError(f"{name}: cannot be unpacked ({inside} is encrypted); unpack it yourself")
    # A member packed so names the memory that unpacking takes, up to 4 GiB.
    if entry.compress_type == zipfile.ZIP_LZMA:
        raise InputError(f"{name}: cannot be unpacked ({inside} is packed with LZMA); unpack it yourself")
    try:
        return archive.open(inside)
    except NotImplementedError as error:
        raise InputError(f"{name}: cannot be unpacked ({error}); unpack it yourself") from None


@contextmanager
def _table_of_tar(handle: BinaryIO, name: str) -> Iterator[BinaryIO]:
    reads = _BoundedReads(handle)
    try:
        archive = tarfile.open(fileobj=cast(IO[bytes], reads), mode="r:")  # noqa: SIM115
        files = dict(_files_of_tar(archive, name))
    except InputError:
        raise
    except (RecursionError, ValueError, OverflowError, IndexError, tarfile.TarError) as error:
        raise InputError(f"{name}: cannot be unpacked (a corrupt tar archive: {error}); unpack it yourself") from None
    inside = archive.extractfile(files[_only_table(list(files), name)])
    assert inside  # only regular files are listed
    reads.limit = None
    with inside:
        yield cast(BinaryIO, inside)


def _files_of_tar(archive: tarfile.TarFile, name: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The regular files by name; links are never followed, and no path of the archive is ever opened."""
    for number, entry in enumerate(iter(archive.next, None), start=1):
        if number > MAX_TAR_FILES:
            raise InputError(f"{name}: a tar archive of more than {MAX_TAR_FILES:,} files; unpack it and name the CSV")
        # Otherwise all headers stay in memory.
        archive.members.clear()  # type: ignore[attr-defined]
        entry.pax_headers = {}
        if entry.isreg() and not entry.issparse():
            yield entry.name, entry


class _BoundedReads:
    """What tarfile reads from. It reads a header as a whole, whatever size the header claims."""

    def __init__(self, handle: BinaryIO) -> None:
        self.seek, self.tell, self.seekable, self._handle = handle.seek, handle.tell, handle.seekable, handle
        self.limit: int | None = MAX_TAR_HEADER

    def read(self, size: int) -> bytes:
        if self.limit is not None and size > self.limit:
            raise tarfile.ReadError(f"a header claims {size:,} bytes")
        return self._handle.read(size)


def _only_table(names: list[str], name: str) -> str:
    """The only CSV among the files of an archive. Raises InputError, which lists what was found instead."""
    if reason := refusal(b"", names):
        raise InputError(f"{name}: {reason}")
    shown = [inside for inside in names if not inside.endswith("/") and not is_hidden(inside)]
    if not shown:
        hidden = " but hidden ones" if any(not inside.endswith("/") for inside in names) else ""
        raise InputError(
            f"{name}: is an archive without regular files{hidden}; pack the files again, or name another archive"
        )
    tables = [inside for inside in shown if inside.lower().endswith(".csv")]
    if len(tables) == 1:
        return tables[0]
    packed = [inside for inside in shown if PurePosixPath(inside).suffix.lower() in PACKED]
    found = _listed(tables) if tables else f"none, but {_listed(shown)}"
    if tables and packed:
        found += f" and the archives {_listed(packed)}"
    remedy = _remedy(tables, packed, shown)
    raise InputError(f"{name}: one CSV is needed in the archive, found {found}; unpack it and name {remedy}")


def _remedy(tables: list[str], packed: list[str], shown: list[str]) -> str:
    if tables:
        return "the one with the faces"
    if packed:
        return "the archive in it"
    if any(name.lower().endswith(IMAGE_SUFFIXES) for name in shown):
        return "the folder of its pictures"
    return "the folder of its Parquet files" if any(name.lower().endswith(".parquet") for name in shown) else "the CSV"


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + rest
