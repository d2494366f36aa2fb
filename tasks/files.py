"""Whole files or none: write to a temporary name, then rename. And the error that bad input raises."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks import host


class InputError(ValueError):
    """The input cannot be used. The message names file, row, column and remedy; it is shown without a traceback."""


@contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    """InputError for a disk that is full, and for files that this user may not read or write."""
    try:
        yield
    except OSError as error:
        if why := host.explained(error, folder):
            raise InputError(why) from None
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, same suffix, that takes its place when the block ends without an error."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with _explaining(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, which must not exist, that becomes it when the block ends without an error."""
    with _explaining(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as temporary:
            made = Path(temporary) / path.name
            made.mkdir()
            yield made
            made.rename(path)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
