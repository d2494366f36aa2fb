"""Reads structs of Thrift's compact protocol, the encoding of a Parquet file's metadata.

pyarrow does not expose page headers, and its view of a column crashes the process on a corrupt footer.
"""

from typing import Any, BinaryIO

from tasks.common.files import InputError

MAX_DEPTH = 12
BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LISTS, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12


def read_struct(handle: BinaryIO, depth: int = 0) -> dict[int, Any]:
    """Values by field number: numbers, bytes, lists and structs. Raises InputError if the bytes are no struct."""
    if depth > MAX_DEPTH:
        raise _corrupt()
    found: dict[int, Any] = {}
    field = 0
    while (field_header := _byte(handle)) != 0:
        field = field + (field_header >> 4) if field_header >> 4 else _zigzag(handle)
        kind = field_header & 15
        found[field] = kind == 1 if kind in BOOLEANS else _value(handle, kind, depth)
    return found


def _value(handle: BinaryIO, kind: int, depth: int) -> Any:
    if kind in BOOLEANS or kind == BYTE:  # in a list, a boolean takes one byte
        return _byte(handle)
    if kind in INTEGERS:
        return _zigzag(handle)
    if kind == DOUBLE:
        return _bytes(handle, 8)
    if kind == BINARY:
        return _bytes(handle, _varint(handle))
    if kind in LISTS:
        list_header = _byte(handle)
        count = list_header >> 4 if list_header >> 4 != 15 else _varint(handle)
        return [_value(handle, list_header & 15, depth + 1) for _ in range(count)]
    if kind == STRUCT:
        return read_struct(handle, depth + 1)
    raise _corrupt()


def _bytes(handle: BinaryIO, count: int) -> bytes:
    read = handle.read(min(count, 2**24))
    if len(read) < count:
        raise _corrupt()
    return read


def _byte(handle: BinaryIO) -> int:
    return _bytes(handle, 1)[0]


def _varint(handle: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(handle)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise _corrupt()


def _zigzag(handle: BinaryIO) -> int:
    """A zigzag integer; its lowest bit is the sign."""
    value = _varint(handle)
    return (value >> 1) ^ -(value & 1)


def _corrupt() -> InputError:
    return InputError("is truncated or corrupt (its metadata cannot be read)")
