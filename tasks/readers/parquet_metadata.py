"""Reads structs of Thrift's compact protocol, in which a Parquet file describes itself.

pyarrow shows no page headers, and of a spoilt footer its view of a column ends the process.
"""

from typing import Any, BinaryIO

from tasks.common.files import InputError

MOST_DEPTH = 12
BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LISTS, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12


def read_struct(handle: BinaryIO, depth: int = 0) -> dict[int, Any]:
    """Values by the number of their field: numbers, bytes, lists and structs. Raises InputError where there is none."""
    if depth > MOST_DEPTH:
        raise _spoilt()
    found: dict[int, Any] = {}
    field = 0
    while (head := _byte(handle)) != 0:
        field = field + (head >> 4) if head >> 4 else _zigzag(handle)
        kind = head & 15
        found[field] = kind == 1 if kind in BOOLEANS else _value(handle, kind, depth)
    return found


def _value(handle: BinaryIO, kind: int, depth: int) -> Any:
    if kind in BOOLEANS or kind == BYTE:  # in a list, a boolean has a byte of its own
        return _byte(handle)
    if kind in INTEGERS:
        return _zigzag(handle)
    if kind == DOUBLE:
        return _bytes(handle, 8)
    if kind == BINARY:
        return _bytes(handle, _varint(handle))
    if kind in LISTS:
        head = _byte(handle)
        count = head >> 4 if head >> 4 != 15 else _varint(handle)
        return [_value(handle, head & 15, depth + 1) for _ in range(count)]
    if kind == STRUCT:
        return read_struct(handle, depth + 1)
    raise _spoilt()


def _bytes(handle: BinaryIO, count: int) -> bytes:
    read = handle.read(min(count, 2**24))
    if len(read) < count:
        raise _spoilt()
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
    raise _spoilt()


def _zigzag(handle: BinaryIO) -> int:
    """The sign is the lowest bit."""
    value = _varint(handle)
    return (value >> 1) ^ -(value & 1)


def _spoilt() -> InputError:
    return InputError("is cut off or spoilt (what it says of itself cannot be read)")
