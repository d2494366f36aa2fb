"""Lists what to score: files, folders, patterns and addresses become a list of sources in a fixed order."""

import glob
import os
import zipfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import fsspec

from tasks.common.errors import UnreadableInput, access_remedy, error_text, is_machine_fault, raise_if_ours
from tasks.common.file_kinds import HEAD_BYTES
from tasks.common.files import InputError
from tasks.common.walking import HIDDEN, LeftOut, is_hidden, summary_of, walk
from tasks.orchestration.artifacts import counted, log
from tasks.readers.archives import CORRUPT, member, unpacking

OpenZip = Callable[[str], zipfile.ZipFile]
"""Opens a zip; one that is cached stays open for the next image, as opening it again reads the names of all files."""

MAX_BYTES = 256 * 2**20
"""Of the file of one image."""


class Found(NamedTuple):
    """The sources of a path that was given, in a fixed order, and what lies beside them and is left out."""

    sources: list[str]
    left_out: list[LeftOut]


def find_sources(given: Iterable[str]) -> tuple[list[str], str]:
    """The unique sources, in the given order, and in words what is left out; of a folder or a pattern, sorted by name.

    Folders are searched by the rules of `walk`. Raises InputError if nothing is found.
    """
    given = list(given)
    sources: dict[str, str] = {}
    left_out: dict[LeftOut, None] = {}
    for path in given:
        found = _found(path)
        left_out |= dict.fromkeys(found.left_out)
        places = {source if is_remote(source) else os.path.abspath(source): source for source in found.sources}
        if repeated := sources.keys() & places.keys():
            which = counted(len(repeated), "source was given before, and is", "sources were given before, and are")
            log(f"{path}: {which} scored once")
        if not places and len(given) > 1:
            log(f"{path}: no file found to score")
        sources |= {place: source for place, source in places.items() if place not in repeated}
    why = summary_of(left_out)
    if not sources:
        remedy = f"left out: {why}; name such a file itself to score it" if why else "correct the path"
        raise InputError(f"{', '.join(given) or 'nothing'}: no file found to score; {remedy}")
    if why:
        log(f"left out: {why}")
    return list(sources.values()), why


def require_outside(out: Path, given: Iterable[str]) -> None:
    """Raises InputError if the same sources would include the files written into `out` in the next run."""
    real = Path(os.path.realpath(out))
    written = [real / name for name in ("report.html", "faces.png", "predictions.csv", "predictions.parquet")]
    for path in (path for path in given if not is_remote(path)):
        pattern = not os.path.lexists(path) and glob.has_magic(path)
        folders = glob.glob(path.partition("**")[0] or ".") if pattern and "**" in path else [path]
        # With the targets of links, since these are searched too.
        roots = [root for folder in folders if os.path.isdir(folder) for root in walk(folder).roots]
        below = [os.path.relpath(real, root) for root in roots]
        # Hidden names are not searched; neither is "..", which leads out of the folder.
        inside = any(not is_hidden(name) for name in below)
        asked = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        matched = pattern and any(
            place.match(asked) for place in (*written, real / "pictures/1.jpg", real, *real.parents)
        )
        if inside or matched:
            raise InputError(f"{out}: is inside {path}, so the next run would score it too; name a folder elsewhere")


def is_remote(source: str) -> bool:
    """Whether a source is an address that fsspec opens, such as https://host/face.jpg, and not a local path."""
    return "://" in source


def _found(path: str) -> Found:
    if is_remote(path):
        try:
            return _found_at(path)
        except Exception as error:  # each fsspec protocol raises its own errors
            raise_if_ours(path, error)
            raise InputError(f"{path}: cannot be searched ({error_text(error)}); {access_remedy(error)}") from None
    if os.path.isdir(path):
        found = walk(path)
        return Found(found.files, found.left_out)
    if os.path.lexists(path):
        return Found([path], [])
    if not glob.has_magic(path):
        raise InputError(f"{path}: no such file or folder; correct the path")
    matching = sorted(glob.glob(path, recursive=True))
    if not matching:
        raise InputError(f"{path}: no file matches (a hidden one only if the pattern has its dot); correct the pattern")
    each = [_found(glob.escape(name) if not os.path.lexists(name) else name) for name in matching]
    return Found([source for one in each for source in one.sources], [left for one in each for left in one.left_out])


def _found_at(address: str) -> Found:
    files, root = fsspec.core.url_to_fs(address)
    is_pattern = glob.has_magic(address) and not root.startswith("http")
    # Over HTTP, fsspec would guess folders from the links of a page.
    if not (is_pattern or (not root.startswith("http") and files.isdir(root))):
        return Found([address], [])
    names = sorted(files.glob(root) if is_pattern else files.find(root))
    hidden = {
        name for name in names if is_hidden(os.path.basename(name) if is_pattern else os.path.relpath(name, root))
    }
    return Found(
        [files.unstrip_protocol(name) for name in names if name not in hidden],
        [LeftOut(files.unstrip_protocol(name), HIDDEN) for name in sorted(hidden)],
    )


def content_of(source: str, open_zip: OpenZip = zipfile.ZipFile) -> bytes:
    """The bytes of an image file, or of one in a zip. Raises UnreadableInput if they cannot be read, or are too many.

    Raises Unreachable if the host of an address does not answer, and OSError if memory, disk or file handles run out:
    neither is a fault of this image.
    """
    if inside := _in_a_zip(source):
        path, name = inside
        try:
            with unpacking(path):
                return member_content(open_zip(path), name, path)
        except (InputError, KeyError) as error:
            raise UnreadableInput(f"cannot be read ({error})") from None
    try:
        with open_source(source) as handle:
            content: bytes = handle.read(MAX_BYTES + 1)
    except UnreadableInput:
        raise
    except Exception as error:  # each fsspec protocol raises its own errors
        raise_if_ours(source, error)
        raise UnreadableInput(f"cannot be read ({error_text(error)})") from None
    return _bounded(content)


def member_content(archive: zipfile.ZipFile, name: str, shown: str) -> bytes:
    """The bytes of an image in the zip `shown`. Raises UnreadableInput if they are corrupt or too many.

    Raises InputError if it cannot be opened.
    """
    try:
        with member(archive, name, shown) as inside:
            return _bounded(inside.read(MAX_BYTES + 1))
    except CORRUPT as error:
        if is_machine_fault(error):
            raise
        raise UnreadableInput(f"cannot be unpacked ({error}); fetch the archive again") from None


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise UnreadableInput(f"more than {MAX_BYTES // 2**20} MiB; make it smaller")
    return content


def _in_a_zip(source: str) -> tuple[str, str] | None:
    """The zip and the name in it, of a source such as `faces.zip/train/1.png`; None for any other source."""
    if is_remote(source) or os.path.lexists(source):
        return None
    ends = (number for number, character in enumerate(source) if character == "/")
    return next(((source[:end], source[end + 1 :]) for end in ends if os.path.isfile(source[:end])), None)


def open_source(source: str) -> AbstractContextManager[BinaryIO]:
    """The bytes of a source. Raises UnreadableInput for a broken link, and for what is no regular file.

    Paths do not go through fsspec, which gives `::`, `*` and `~` a special meaning.
    """
    if is_remote(source):
        return cast(AbstractContextManager[BinaryIO], fsspec.open(source, "rb"))
    if os.path.islink(source) and not os.path.exists(source):
        raise UnreadableInput(f"is a broken link to {os.readlink(source)}; mend or remove it")
    path = Path(source)
    if path.exists() and not path.is_file():
        raise UnreadableInput("is not a regular file; leave it out, or name the file that is meant")
    return path.open("rb")


def head_of(source: str) -> bytes:
    """The first HEAD_BYTES bytes of a source; empty if it cannot be read, which reading it as a whole will say."""
    try:
        with open_source(source) as handle:
            return handle.read(HEAD_BYTES)
    except UnreadableInput:
        return b""
    except Exception as error:  # each fsspec protocol raises its own errors
        raise_if_ours(source, error)
        return b""
