"""Reads NumPy archives, `.npz`, without pickles, and without reserving more memory than a file can fill."""

import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

MOST_UNPACKED = 2 * 2**30
"""Bytes of the compressed arrays of one file; what is stored as it is takes as much on disk."""
PACKING = (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile)
HEADERS = (SyntaxError, TokenError, OverflowError)
"""What NumPy raises of an array's header, which it reads as Python."""


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays. Raises ValueError where one is absent, is not readable, or claims more than is there."""
    if not path.is_file():
        raise ValueError("not a regular file")
    try:
        with path.open("rb") as handle, zipfile.ZipFile(handle) as archive:
            members = {name: archive.getinfo(f"{name}.npy") for name in names}
            if sum(each.compress_size for each in members.values()) > path.stat().st_size:
                raise ValueError("its directory claims more bytes than it has")
            packed = [each.file_size for each in members.values() if each.file_size > each.compress_size]
            if sum(packed) > MOST_UNPACKED:
                raise ValueError(f"its arrays unpack to more than {MOST_UNPACKED // 2**30} GiB")
            return {name: _array(archive, member) for name, member in members.items()}
    except KeyError as error:
        raise ValueError(str(error.args[0])) from None
    except (*PACKING, *HEADERS) as error:
        raise ValueError(str(error) or "it ends too early") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as handle:
        claimed = _claimed_bytes(handle)
        if claimed + handle.tell() != member.file_size:
            raise ValueError(f"{member.filename} claims {claimed:,} bytes and has {member.file_size - handle.tell():,}")
    with archive.open(member) as handle:
        return np.asarray(np.lib.format.read_array(handle, allow_pickle=False))


def _claimed_bytes(handle: IO[bytes]) -> int:
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        shape, _, kind = np.lib.format.read_array_header_1_0(handle)
    elif version == (2, 0):
        shape, _, kind = np.lib.format.read_array_header_2_0(handle)
    else:
        raise ValueError(f"arrays of version {version}")
    if kind.hasobject or min(shape, default=0) < 0:
        raise ValueError("an array of Python objects, or of no size")
    return math.prod(shape) * int(kind.itemsize)
