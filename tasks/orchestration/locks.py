"""Locks between processes of one checkout."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.common import host
from tasks.common.files import InputError

LOCKS = Path(".dvc/tmp/stages")


@contextmanager
def exclusive_lock(name: str, folder: str | Path = "") -> Iterator[None]:
    """Hold a lock of this checkout, which the kernel releases when the process ends. InputError if it is already held.

    With a `folder`, the lock excludes only runs that write into the same folder.
    """
    # Scoring into a folder elsewhere must work from a read-only checkout.
    locks = LOCKS if host.writable(LOCKS) or not folder else host.private_folder()
    locks.mkdir(parents=True, exist_ok=True)
    of_folder = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16] if folder else ""
    with (locks / f"{name}{of_folder}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"{name} into {folder}" if folder else name
            raise InputError(f"another run of {what} is in progress here; wait for it, or end it first") from None
        yield
