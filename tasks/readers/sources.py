"""What is to be scored: files, folders, patterns and addresses, as a list of sources in a fixed order."""

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import fsspec

from tasks.common.errors import Unusable, raise_if_ours, said
from tasks.common.files import InputError
from tasks.readers.archives import is_hidden

TABLES = (".csv", ".gz", ".zip", ".parquet")
MOST_BYTES = 256 * 2**20
"""Of one picture's file."""


def sources_of(given: Iterable[str]) -> list[str]:
    """Every source once, in the order given, those of a folder or a pattern by name.

    Folders are looked through to the bottom, hidden files and linked folders left out. Raises InputError where
    nothing is there.
    """
    found = [source for path in given for source in _found(path)]
    if not found:
        raise InputError(f"{', '.join(given) or 'nothing'}: no file is there to score; correct the path")
    return list(dict.fromkeys(found))


def require_outside(out: Path, given: Iterable[str]) -> None:
    """Raises InputError where the same sources, asked for again, would take in what is written into `out`."""
    real = Path(os.path.realpath(out))
    written = [real / name for name in ("page.html", "faces.png", "predictions.csv", "predictions.parquet")]
    for path in (path for path in given if not is_remote(path)):
        pattern = not os.path.lexists(path) and glob.has_magic(path)
        folders = glob.glob(path.partition("**")[0] or ".") if pattern and "**" in path else [path]
        below = [os.path.relpath(real, os.path.realpath(folder)) for folder in folders if os.path.isdir(folder)]
        # What is hidden is not looked at; neither is "..", which leads out of the folder.
        inside = any(not is_hidden(name) for name in below)
        asked = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        matched = pattern and any(
            place.match(asked) for place in (*written, real / "pictures/1.png", real, *real.parents)
        )
        if inside or matched:
            raise InputError(f"{out}: lies in {path}, so it would be scored itself next time; name a folder elsewhere")


def is_table(source: str) -> bool:
    """Whether it is a raw CSV, packed or not, or a Parquet table; all else is taken for a picture."""
    return source.lower().endswith(TABLES)


def is_remote(source: str) -> bool:
    """Whether it is an address that fsspec opens, such as https://host/face.jpg, and no path of this machine."""
    return "://" in source


def _found(path: str) -> list[str]:
    if is_remote(path):
        try:
            return _found_at(path)
        except Exception as error:  # each protocol's plug-in has errors of its own
            raise InputError(f"{path}: cannot be looked through ({said(error)}); correct the address") from None
    if os.path.isdir(path):
        return sorted(_inside(path))
    if os.path.lexists(path):
        return [path]
    matching = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
    if not matching:
        raise InputError(f"{path}: there is no such file or folder; correct the path")
    return [source for name in matching for source in _found(glob.escape(name) if not os.path.lexists(name) else name)]


def _found_at(address: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(address)
    if glob.has_magic(address) and not root.startswith("http"):
        return [files.unstrip_protocol(name) for name in sorted(files.glob(root))]
    # Asked of the web, this is a guess from the page's links.
    is_folder = not root.startswith("http") and files.isdir(root)
    return [files.unstrip_protocol(name) for name in sorted(files.find(root))] if is_folder else [address]


def _inside(folder: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be looked through ({error.strerror}); allow it, or leave it out")

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield from (os.path.join(place, name) for name in names if not is_hidden(name))


def content_of(source: str) -> bytes:
    """The bytes of a picture's file. Raises Unusable where they cannot be read, or are too many.

    Raises Unreachable where the host of an address does not answer, and OSError where memory, disk or file handles run
    out: neither says anything about this picture.
    """
    try:
        with _opened(source) as handle:
            content: bytes = handle.read(MOST_BYTES + 1)
    except Unusable:
        raise
    except Exception as error:  # each protocol's plug-in has errors of its own
        raise_if_ours(source, error)
        raise Unusable(f"cannot be read ({said(error)})") from None
    if len(content) > MOST_BYTES:
        raise Unusable(f"more than {MOST_BYTES // 2**20} MiB; make it smaller")
    return content


def _opened(source: str) -> AbstractContextManager[IO[bytes]]:
    if is_remote(source):
        handle: AbstractContextManager[IO[bytes]] = fsspec.open(source, "rb")
        return handle
    path = Path(source)
    if path.exists() and not path.is_file():
        raise Unusable("is no regular file")
    return path.open("rb")
