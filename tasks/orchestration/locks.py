"""Locks between processes of one checkout."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tasks.common import host
from tasks.common.files import InputError

LOCKS = Path(".dvc/tmp/stages")


@contextmanager
def exclusive_lock(name: str, folder: str | Path = "") -> Iterator[None]:
    """Hold a lock of this checkout, which the kernel releases when the process ends. InputError if it is already held.

    With a `folder`, the lock excludes only runs that write into the same folder.
    """
    with _lock_file(name, folder) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"{name} into {folder}" if folder else name
            raise InputError(f"another run of {what} is in progress here; wait for it, or end it first") from None
        yield


@contextmanager
def waiting_lock(name: str) -> Iterator[None]:
    """Hold a lock of this checkout for a moment; waits while another process holds it."""
    with _lock_file(name) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _lock_file(name: str, folder: str | Path = "") -> IO[str]:
    # Scoring into a folder elsewhere must work from a read-only checkout.
    locks = LOCKS if host.writable(LOCKS) or not folder else host.private_folder()
    locks.mkdir(parents=True, exist_ok=True)
    of_folder = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16] if folder else ""
    return (locks / f"{name}{of_folder}.lock").open("w")
