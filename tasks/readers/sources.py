"""Lists what to score: files, folders, patterns and addresses become a list of sources in a fixed order."""

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import fsspec

from tasks.common.errors import UnreadableInput, error_text, raise_if_ours
from tasks.common.files import InputError
from tasks.readers.archives import is_hidden

TABLES = (".csv", ".gz", ".zip", ".parquet", ".npz")
MAX_BYTES = 256 * 2**20
"""Of the file of one image."""


def sources_of(given: Iterable[str]) -> list[str]:
    """The unique sources, in the given order; those of a folder or a pattern are sorted by name.

    Folders are searched recursively, without hidden files and linked folders. Raises InputError if nothing is found.
    """
    found = [source for path in given for source in _found(path)]
    if not found:
        raise InputError(f"{', '.join(given) or 'nothing'}: no file found to score; correct the path")
    return list(dict.fromkeys(found))


def require_outside(out: Path, given: Iterable[str]) -> None:
    """Raises InputError if the same sources would include the files written into `out` in the next run."""
    real = Path(os.path.realpath(out))
    written = [real / name for name in ("report.html", "faces.png", "predictions.csv", "predictions.parquet")]
    for path in (path for path in given if not is_remote(path)):
        pattern = not os.path.lexists(path) and glob.has_magic(path)
        folders = glob.glob(path.partition("**")[0] or ".") if pattern and "**" in path else [path]
        below = [os.path.relpath(real, os.path.realpath(folder)) for folder in folders if os.path.isdir(folder)]
        # Hidden names are not searched; neither is "..", which leads out of the folder.
        inside = any(not is_hidden(name) for name in below)
        asked = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        matched = pattern and any(
            place.match(asked) for place in (*written, real / "pictures/1.png", real, *real.parents)
        )
        if inside or matched:
            raise InputError(f"{out}: is inside {path}, so the next run would score it too; name a folder elsewhere")


def is_table(source: str) -> bool:
    """Whether a source is a raw CSV, packed or not, a Parquet table or a prepared split; all others are images."""
    return source.lower().endswith(TABLES)


def is_remote(source: str) -> bool:
    """Whether a source is an address that fsspec opens, such as https://host/face.jpg, and not a local path."""
    return "://" in source


def _found(path: str) -> list[str]:
    if is_remote(path):
        try:
            return _found_at(path)
        except Exception as error:  # each fsspec protocol raises its own errors
            raise InputError(f"{path}: cannot be searched ({error_text(error)}); correct the address") from None
    if os.path.isdir(path):
        return sorted(_inside(path))
    if os.path.lexists(path):
        return [path]
    matching = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
    if not matching:
        raise InputError(f"{path}: no such file or folder; correct the path")
    return [source for name in matching for source in _found(glob.escape(name) if not os.path.lexists(name) else name)]


def _found_at(address: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(address)
    if glob.has_magic(address) and not root.startswith("http"):
        return [files.unstrip_protocol(name) for name in sorted(files.glob(root))]
    # Over HTTP, fsspec would guess folders from the links of a page.
    is_folder = not root.startswith("http") and files.isdir(root)
    return [files.unstrip_protocol(name) for name in sorted(files.find(root))] if is_folder else [address]


def _inside(folder: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise InputError(
            f"{error.filename}: cannot be searched ({error.strerror}); change its permissions, or leave it out"
        )

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield from (os.path.join(place, name) for name in names if not is_hidden(name))


def content_of(source: str) -> bytes:
    """The bytes of an image file. Raises UnreadableInput if they cannot be read, or are too many.

    Raises Unreachable if the host of an address does not answer, and OSError if memory, disk or file handles run out:
    neither is a fault of this image.
    """
    try:
        with _opened(source) as handle:
            content: bytes = handle.read(MAX_BYTES + 1)
    except UnreadableInput:
        raise
    except Exception as error:  # each fsspec protocol raises its own errors
        raise_if_ours(source, error)
        raise UnreadableInput(f"cannot be read ({error_text(error)})") from None
    if len(content) > MAX_BYTES:
        raise UnreadableInput(f"more than {MAX_BYTES // 2**20} MiB; make it smaller")
    return content


def _opened(source: str) -> AbstractContextManager[IO[bytes]]:
    if is_remote(source):
        handle: AbstractContextManager[IO[bytes]] = fsspec.open(source, "rb")
        return handle
    path = Path(source)
    if path.exists() and not path.is_file():
        raise UnreadableInput("is not a regular file")
    return path.open("rb")
