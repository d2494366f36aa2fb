"""Distinguish errors of a record's content from faults of the machine and unreachable hosts, and group reasons."""

import errno
import re
from collections import Counter
from collections.abc import Iterator, Sequence
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

MAX_GROUPS, MAX_SHOWN = 20, 200
"""Groups of reasons that are counted one by one, and characters of each that are shown."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


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


def access_remedy(error: BaseException) -> str:
    """What to do about an error of an fsspec protocol at an address."""
    if isinstance(error, ImportError):
        return "install that, or move the files by other means"
    # Of botocore, by name as above.
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return "check the credentials, and what they allow"
    return "correct the address"


def _is_network_error(error: BaseException) -> bool:
    if {kind.__name__ for kind in type(error).__mro__} & CONNECTION or getattr(error, "status", None) in BUSY:
        return True
    return isinstance(error, OSError) and error.errno in NETWORK


def group_reasons(reasons: Sequence[str]) -> dict[str, str]:
    """The group of each reason, largest group first. Those that differ only in numbers or in brackets are one group.

    Its name has N for a number that differs, and no brackets where these differ. All groups beyond the MAX_GROUPS
    largest are the last one, "7 other reasons".
    """
    kinds = {reason: _NUMBER.sub("N", _without_brackets(reason)) for reason in dict.fromkeys(reasons)}
    counts = Counter(kinds[reason] for reason in reasons)
    texts: dict[str, list[str]] = {}
    for reason, kind in kinds.items():
        texts.setdefault(kind, []).append(reason)
    more = len(counts) - MAX_GROUPS
    others = f"{more:,} other reason{'s' if more > 1 else ''}"
    groups = {}
    for place, (kind, _) in enumerate(counts.most_common()):
        name = _common_text(texts[kind])[:MAX_SHOWN] if place < MAX_GROUPS else others
        groups.update(dict.fromkeys(texts[kind], name))
    return groups


def _without_brackets(text: str) -> str:
    """A text without what is between its first "(" after a blank and its last ")"."""
    start, end = text.find(" ("), text.rfind(")")
    return text[:start] + text[end + 1 :] if 0 <= start < end else text


def _common_text(texts: list[str]) -> str:
    """A text for all of some that differ only in numbers and brackets."""
    if len(texts) == 1:
        return texts[0]
    short = [_without_brackets(text) for text in texts]
    shown = iter(
        ["N" if len(set(numbers)) > 1 else numbers[0] for numbers in zip(*map(_NUMBER.findall, short), strict=True)]
    )
    return _NUMBER.sub(lambda _: next(shown), short[0])
