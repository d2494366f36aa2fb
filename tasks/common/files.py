"""Whole files or none: write to a temporary name, then rename. Names as text. And the error that bad input raises."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.common import host

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp(\.\w+)?")
"""Names that `replacing` writes to."""
UNDECODED = re.compile("[\udc80-\udcff]")
"""How Python holds bytes of a file name that are not UTF-8 (PEP 383)."""
ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")
"""How `text_of` writes them, and the backslash."""


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
    """A temporary path beside `path`, same suffix, that takes its place when the block ends without an error.

    A symbolic link is replaced, and what it points to stays: DVC links outputs to its cache. Any number of threads and
    processes may do so at one time, and each file is whole.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        # Inside: what is free is measured before the half-written file is removed.
        with _explaining(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def forget_temporaries(folder: Path) -> None:
    """Remove what processes that were killed in `replacing` left in a folder that no other process writes to."""
    for path in folder.glob(".*.tmp*"):
        if TEMPORARY.fullmatch(path.name):
            path.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes it when the block ends without an error.

    Raises InputError where `path` holds anything by then.
    """
    with _explaining(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as temporary,
            _explaining(path.parent),
        ):
            made = Path(temporary) / path.name
            made.mkdir()
            yield made
            _put(made, path)


def _put(made: Path, path: Path) -> None:
    try:
        made.rename(path)
    except OSError as error:
        if not os.path.lexists(path):
            raise
        raise InputError(f"{path}: is there already ({error.strerror}); remove it, and try again") from None


def readable(message: str) -> str:
    """A message that any log, terminal, JSON or UTF-8 file takes, whatever the file names in it."""
    escaped = UNDECODED.sub(lambda found: rf"\x{ord(found[0]) - 0xDC00:02x}", message)
    return escaped.encode(errors="backslashreplace").decode()


def text_of(source: str) -> str:
    r"""The text by which tables and lists name a source: itself, or, where it is not UTF-8, with those bytes as `\xNN`.

    Reversible, so no two sources share a text: where such an escape is part of the name, its backslash is escaped.
    """
    if UNDECODED.search(source) or ESCAPED.search(source):
        source = source.replace("\\", r"\x5c")
    return readable(source)


def source_of(text: str) -> str:
    """The source that `text_of` wrote."""
    return ESCAPED.sub(lambda found: "\\" if found[1] == "5c" else chr(0xDC00 + int(found[1], 16)), text)


IGNORE, ALL = ".gitignore", "*\n"


def ignored_by_git(folder: Path) -> Path:
    """The folder, made if it is absent, with a `.gitignore` of all that is in it: it may show real faces."""
    if not (folder / IGNORE).exists():
        with replacing(folder / IGNORE) as temporary:
            temporary.write_text(ALL)
    return folder


def ignores_itself(path: Path) -> bool:
    """Whether a path is the `.gitignore` that `ignored_by_git` writes."""
    return path.name == IGNORE and path.is_file() and path.read_bytes() == ALL.encode()


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
