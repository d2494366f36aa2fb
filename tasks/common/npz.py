"""NumPy archives, `.npz`: read without pickles and without reserving more memory than a file can fill, or mapped."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np

from tasks.common.errors import is_machine_fault

MAX_UNPACKED_BYTES = 2 * 2**30
"""Limit for the compressed arrays of one file; uncompressed arrays are as large on disk."""
ARCHIVE_ERRORS = (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile)
HEADER_ERRORS = (SyntaxError, TokenError, OverflowError)
"""Errors of NumPy for an array's header, which it parses as Python."""
BLOCK = 2**20
ROWS = 1024


class Header(NamedTuple):
    """The header of an array. `by_column`: Fortran order, the first index varies fastest."""

    shape: tuple[int, ...]
    dtype: np.dtype
    by_column: bool


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays. Raises ValueError if one is absent, unreadable, or claims more bytes than the file has."""
    with _members(path, names) as (archive, members):
        return {name: _array(archive, member) for name, member in members.items()}


def read_header(path: Path, name: str) -> Header:
    """The header of an array, checked against its size. Raises ValueError as `read_arrays` does."""
    with _members(path, [name]) as (archive, members), archive.open(members[name]) as handle:
        return _checked_header(handle, members[name])


def read_rows(path: Path, name: str, at_once: int) -> Iterator[np.ndarray]:
    """The rows of an array, not stored by column, in blocks of `at_once`: the whole is never in memory.

    Raises ValueError as `read_arrays` does, also for corrupt bytes, before the first block.
    """
    with _members(path, [name]) as (archive, members):
        member = members[name]
        with archive.open(member) as handle:
            # The checksum is compared at the end.
            while handle.read(BLOCK):
                pass
        with archive.open(member) as handle:
            shape, dtype, _ = _checked_header(handle, member)
            for start in range(0, shape[0], at_once):
                block = (min(at_once, shape[0] - start), *shape[1:])
                yield np.frombuffer(handle.read(math.prod(block) * dtype.itemsize), dtype).reshape(block)


def map_array(path: Path, name: str) -> np.ndarray:
    """An array, memory-mapped and read-only, if it is stored uncompressed by row; else as `read_arrays` reads it.

    Raises ValueError as `read_arrays` does, also for corrupt bytes.
    """
    with _members(path, [name]) as (archive, members):
        member = members[name]
        with archive.open(member) as handle:
            header = _checked_header(handle, member)
            begins = handle.tell()
            while handle.read(BLOCK):  # the checksum is compared at the end
                pass
        if member.compress_type != zipfile.ZIP_STORED or header.by_column or 0 in header.shape:
            return _array(archive, member)
        offset = _content_offset(path, member) + begins
    return np.asarray(np.memmap(path, header.dtype, "r", offset, header.shape))


def write_arrays(path: Path, arrays: dict[str, Any], rows: np.ndarray | None = None, by_row: str = "") -> None:
    """Write arrays as `np.savez` does, byte for byte; of the array `by_row`, only `rows` (M,), block by block."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as handle:
                if name != by_row or rows is None:
                    np.lib.format.write_array(handle, np.asanyarray(value), allow_pickle=False)
                else:
                    _write_rows(handle, value, rows)


def _write_rows(handle: IO[bytes], array: np.ndarray, rows: np.ndarray) -> None:
    header = np.lib.format.header_data_from_array_1_0(array[:0])
    np.lib.format.write_array_header_1_0(handle, header | {"shape": (len(rows), *array.shape[1:])})
    for start in range(0, len(rows), ROWS):
        handle.write(np.ascontiguousarray(array[rows[start : start + ROWS]]).tobytes())


def _content_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin in the file: after its own header of 30 bytes, its name, and an extra field."""
    with path.open("rb") as handle:
        handle.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", handle.read(4))
    return member.header_offset + 30 + int(name) + int(extra)


@contextmanager
def _members(path: Path, names: Iterable[str]) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """The archive and its named arrays. Errors of their content, in the block too, are raised as ValueError.

    Errors of the machine are raised unchanged.
    """
    if not path.is_file():
        raise ValueError("not a regular file")
    try:
        with path.open("rb") as handle, zipfile.ZipFile(handle) as archive:
            members = {name: archive.getinfo(f"{name}.npy") for name in names}
            if sum(each.compress_size for each in members.values()) > path.stat().st_size:
                raise ValueError("its directory claims more bytes than it has")
            compressed = [each.file_size for each in members.values() if each.file_size > each.compress_size]
            if sum(compressed) > MAX_UNPACKED_BYTES:
                raise ValueError(f"its arrays unpack to more than {MAX_UNPACKED_BYTES // 2**30} GiB")
            yield archive, members
    except KeyError as error:
        raise ValueError(str(error.args[0])) from None
    except (*ARCHIVE_ERRORS, *HEADER_ERRORS) as error:
        if is_machine_fault(error):
            raise
        raise ValueError(str(error) or "it is truncated") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as handle:
        _checked_header(handle, member)
    with archive.open(member) as handle:
        return np.asarray(np.lib.format.read_array(handle, allow_pickle=False))


def _checked_header(handle: IO[bytes], member: zipfile.ZipInfo) -> Header:
    header = _header(handle)
    claimed, has = math.prod(header.shape) * header.dtype.itemsize, member.file_size - handle.tell()
    if claimed != has:
        raise ValueError(f"{member.filename} claims {claimed:,} bytes and has {has:,}")
    return header


def _header(handle: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(handle)
    elif version == (2, 0):
        shape, by_column, dtype = np.lib.format.read_array_header_2_0(handle)
    else:
        raise ValueError(f"unsupported array format version {version}")
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError("an array of Python objects, or of negative size")
    return Header(shape, dtype, by_column)
