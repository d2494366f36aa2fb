"""Distinguish errors caused by the content of a record from faults of the machine and unreachable hosts."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from tasks.common.files import InputError

MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})
"""Error numbers: out of disk space, file handles or memory, or a disk failure."""
NETWORK = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT})
# By name: each protocol's plug-in defines its own classes and is imported only if an address needs it.
CONNECTION = frozenset(
    {"ConnectionError", "TimeoutError", "gaierror"}
    | {"ClientConnectionError", "ClientPayloadError"}  # aiohttp
    | {"HTTPClientError", "TransportError"}  # botocore, google.auth
)
BUSY = frozenset({429, 502, 503, 504})
"""HTTP status codes of an overloaded host or a broken proxy; they do not mean that the address is wrong."""


class UnreadableInput(Exception):
    """A record that cannot be read or scored. The message gives the reason; the other records are processed."""


class Unreachable(InputError):
    """A host does not respond, which is not the record's fault: the run ends, and the next run resumes from there."""


@contextmanager
def content_errors(message: str) -> Iterator[None]:
    """Raise errors of the block as UnreadableInput with this message; faults of the machine are raised unchanged."""
    try:
        yield
    except UnreadableInput:
        raise
    except Exception as error:  # decoders of damaged bytes raise any error, AttributeError and RuntimeError too
        if is_machine_fault(error):
            raise
        raise UnreadableInput(f"{message} ({str(error).strip()[:200] or type(error).__name__})") from None


def is_machine_fault(error: BaseException) -> bool:
    """Whether memory, disk space or file handles ran out, or the disk failed: the next record would fail too."""
    if isinstance(error, cv2.error):
        return bool(error.code == cv2.Error.StsNoMem)
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in MACHINE)


def raise_if_ours(source: str, error: Exception) -> None:
    """Raise `error` itself for a fault of the machine, and Unreachable if the host of an address does not respond.

    Returns if the record is at fault: it does not exist (404), access is denied (403), or its content is unreadable.
    """
    if is_machine_fault(error):
        raise error
    cause: BaseException | None = error
    while cause is not None:
        if _is_network_error(cause):
            raise Unreachable(
                f"{source}: cannot be reached ({type(cause).__name__}: {cause}); run the same again later: it "
                "resumes from there"
            ) from None
        # fsspec raises FileNotFoundError from the original error.
        cause = cause.__cause__


def error_text(error: BaseException) -> str:
    """The message of an error, or of its cause, which is more precise with fsspec; the system's text for an OSError."""
    error = error.__cause__ or error
    return (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"


def _is_network_error(error: BaseException) -> bool:
    if {kind.__name__ for kind in type(error).__mro__} & CONNECTION or getattr(error, "status", None) in BUSY:
        return True
    return isinstance(error, OSError) and error.errno in NETWORK
