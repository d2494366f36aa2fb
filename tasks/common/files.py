"""Atomic writes of files and folders, file names as text, and the error for bad input."""

import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.common import host

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp(\.\w+)?")
"""Names that `replacing` writes to."""
UNDECODED = re.compile("[\udc80-\udcff]")
"""Surrogates that represent non-UTF-8 bytes of a file name in Python (PEP 383)."""
ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")
"""Escapes of `text_of`: those bytes, and the backslash."""


class InputError(ValueError):
    """The input cannot be used. The message names file, row, column and remedy; it is shown without a traceback."""


@contextmanager
def _host_errors_as_input_errors(folder: Path) -> Iterator[None]:
    """Raise InputError for a full disk, and for files that this user may not read or write."""
    try:
        yield
    except OSError as error:
        if why := host.explained(error, folder):
            raise InputError(why) from None
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with its suffix; it replaces `path` when the block ends without an error.

    A symbolic link is replaced, and its target is unchanged: DVC links outputs to its cache. Safe for concurrent
    threads and processes: readers never see a partial file.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        # Inside: free space is measured before the incomplete file is removed.
        with _host_errors_as_input_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def forget_temporaries(folder: Path) -> None:
    """Remove temporary files of processes that were killed in `replacing`; no other process may write to the folder."""
    for path in folder.glob(".*.tmp*"):
        if TEMPORARY.fullmatch(path.name):
            path.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it is renamed to `path` when the block ends without an error.

    Raises InputError if `path` exists by then, unless it is an empty folder.
    """
    with _host_errors_as_input_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as temporary,
            _host_errors_as_input_errors(path.parent),
        ):
            made = Path(temporary) / path.name
            made.mkdir()
            yield made
            _move(made, path)


def _move(made: Path, path: Path) -> None:
    try:
        made.rename(path)
    except OSError as error:
        if not os.path.lexists(path):
            raise
        raise InputError(f"{path}: already exists ({error.strerror}); remove it and try again") from None


def readable(message: str) -> str:
    """The message with undecodable file names escaped, so that any log, terminal, JSON or UTF-8 file accepts it."""
    escaped = UNDECODED.sub(lambda found: rf"\x{ord(found[0]) - 0xDC00:02x}", message)
    return escaped.encode(errors="backslashreplace").decode()


def text_of(source: str) -> str:
    r"""The name of a source in tables and lists: non-UTF-8 bytes are written as `\xNN`.

    Reversible, so that no two sources share a name: if such an escape is part of a name, its backslash is escaped.
    """
    if UNDECODED.search(source) or ESCAPED.search(source):
        source = source.replace("\\", r"\x5c")
    return readable(source)


def source_of(text: str) -> str:
    """Inverse of `text_of`."""
    return ESCAPED.sub(lambda found: "\\" if found[1] == "5c" else chr(0xDC00 + int(found[1], 16)), text)


IGNORE, ALL = ".gitignore", "*\n"


def ignored_by_git(folder: Path) -> Path:
    """The folder, created if absent, with a `.gitignore` for all its files: they may show real faces."""
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


def code_files() -> list[Path]:
    """The files of this project's modules that this process has loaded, but for flows, by module."""
    # A list: threads of others import meanwhile.
    ours = [(name, module) for name, module in list(sys.modules.items()) if name.startswith(("faces.", "tasks."))]
    code = {name: str(module.__file__) for name, module in ours}
    return [Path(path) for _, path in sorted(code.items()) if path.endswith(".py")]
