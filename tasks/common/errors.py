"""Tells what the content of one record raises from what the machine, or a host that is out of reach, raises."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from tasks.common.files import InputError

MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})
"""Error numbers of a machine that is out of disk, handles or memory, or whose disk fails."""
NETWORK = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT})
# By name: each protocol's plug-in has classes of its own, and is imported only where an address asks for it.
CONNECTION = frozenset(
    {"ConnectionError", "TimeoutError", "gaierror"}
    | {"ClientConnectionError", "ClientPayloadError"}  # aiohttp
    | {"HTTPClientError", "TransportError"}  # botocore, google.auth
)
BUSY = frozenset({429, 502, 503, 504})
"""Answers of HTTP that say nothing about the address: the host is overloaded, or stands behind a broken proxy."""


class Unusable(Exception):
    """A record that cannot be scored; the message says why, and the rest goes on."""


class Unreachable(InputError):
    """A host that does not answer says nothing about the record: the run ends, and the next one goes on from there."""


@contextmanager
def content_errors(said: str) -> Iterator[None]:
    """Whatever the content of one record raises in the block, as Unusable; faults of the machine are raised as is."""
    try:
        yield
    except Unusable:
        raise
    except Exception as error:  # decoders of damaged bytes raise anything, AttributeError and RuntimeError too
        if is_machine_fault(error):
            raise
        raise Unusable(f"{said} ({str(error)[:200] or type(error).__name__})") from None


def is_machine_fault(error: BaseException) -> bool:
    """Whether memory, disk or file handles ran out, or the disk failed: the next record would fare no better."""
    if isinstance(error, cv2.error):
        return bool(error.code == cv2.Error.StsNoMem)
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in MACHINE)


def raise_if_ours(source: str, error: Exception) -> None:
    """Raises `error` itself where the machine is at fault, and Unreachable where the host of an address is.

    Returns where the record is: it does not exist (404), may not be read (403), or holds what nobody can read.
    """
    if is_machine_fault(error):
        raise error
    cause: BaseException | None = error
    while cause is not None:
        if _is_of_the_network(cause):
            raise Unreachable(
                f"{source}: cannot be reached ({type(cause).__name__}: {cause}); run the same again, later: it goes on "
                "from there"
            ) from None
        # fsspec raises FileNotFoundError from whatever came before.
        cause = cause.__cause__


def said(error: BaseException) -> str:
    """What an error says, in the system's words where it is the system's; fsspec's is less than that of its cause."""
    error = error.__cause__ or error
    return (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"


def _is_of_the_network(error: BaseException) -> bool:
    if {kind.__name__ for kind in type(error).__mro__} & CONNECTION or getattr(error, "status", None) in BUSY:
        return True
    return isinstance(error, OSError) and error.errno in NETWORK
