"""Tells by its content how a source is read, and reads a zip of pictures as the folder that was zipped."""

import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec

from faces.data.pixel_columns import PIXEL_NAMES
from tasks.common.errors import UnreadableInput, raise_if_ours
from tasks.common.file_kinds import HEAD_BYTES, PARQUET, ZIPS, is_npz, is_packed, kind_of, refusal
from tasks.common.files import InputError
from tasks.common.image_formats import IMAGE_SUFFIXES, STILL_SUFFIXES, image_format
from tasks.common.walking import HIDDEN, LeftOut, Walk, is_hidden, summary_of
from tasks.orchestration.artifacts import log
from tasks.readers.archives import CORRUPT, unpacking
from tasks.readers.raw_csv import has_pixels
from tasks.readers.sources import head_of, is_remote, member_content, open_source
from tasks.video.containers import SUFFIXES, container_of, is_animated, not_a_video

BY_NAME = {".csv": "csv", ".gz": "csv", ".zip": "csv", ".parquet": "parquet", ".npz": "split"}
"""How a file is read whose first bytes do not tell."""
LINK = "linked, which is not followed in an archive"
TABLES = ("csv", "parquet", "split", "pictures")
"""Layouts of several records; the last is a zip of pictures."""


def layout_of(source: str, copy: Path | None = None) -> str:
    """`image`, `video`, or one of TABLES, by the first bytes of a source or of its copy; else why it is none of them.

    A name decides only what no bytes tell: which table a damaged file was meant to be, and whether an address, before
    it is copied, is that of a picture or of a video. What is named as a picture, and an address that is not named as a
    video, is none: a run knows before it begins whether it has videos.
    """
    name = source.lower()
    named = next((layout for ending, layout in BY_NAME.items() if name.endswith(ending)), "image")
    named = "video" if name.endswith(SUFFIXES) else named
    if is_remote(source) and not copy and (named != "image" or name.endswith(IMAGE_SUFFIXES)):
        return named
    if not (copy or is_remote(source) or os.path.isfile(source)):
        return "image"  # a pipe or a broken link, as reading it will say
    first = head_of(str(copy or source))
    if container := container_of(first):
        return _layout_of_video(container, source, copy, named)
    if image_format(first):
        return "image"
    if first.startswith(PARQUET):
        return "parquet"
    if first.startswith(ZIPS) and (copy or not is_remote(source)):
        return _layout_of_zip(copy or Path(source), source, named)
    if is_packed(first):
        return "csv"
    other = refusal(first) or ("csv" if _has_header(first) else named)
    return not_a_video(first) if other == "video" else other


def has_videos(sources: Iterable[str]) -> bool:
    """Whether one of the sources is a video. Those with the name of a picture are not opened: they may be thousands."""
    return any(_is_video(source) for source in sources)


def _is_video(source: str) -> bool:
    if is_remote(source):
        return source.lower().endswith(SUFFIXES)
    may_be = not source.lower().endswith(STILL_SUFFIXES) and os.path.isfile(source)
    return may_be and container_of(head_of(source)) is not None and layout_of(source) == "video"


def _layout_of_video(container: str, source: str, copy: Path | None, named: str) -> str:
    if container == "gif":
        if is_remote(source):
            return "image"
        with open_source(source) as gif:
            return "video" if is_animated(gif) else "image"
    if source.lower().endswith(IMAGE_SUFFIXES):
        return "is a video with the name of a picture; give it its own, such as .mp4"
    if is_remote(source) and named != "video":
        return f"is a video, whose address does not end in {', '.join(SUFFIXES)}; download it and name the file"
    return "video"


def _has_header(first: bytes) -> bool:
    """Whether the first line has the name of a column of pixels, between marks that a table may have."""
    cells = re.split(r"[,;\t|]", first.partition(b"\n")[0].decode("utf-8-sig", errors="replace").replace('"', ""))
    return not {cell.strip().lower() for cell in cells}.isdisjoint(PIXEL_NAMES)


def _layout_of_zip(path: Path, source: str, named: str) -> str:
    with suppress(*CORRUPT, ValueError):  # the reader says what is wrong
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if is_npz(names):
            return "split"
        return refusal(b"", names) or ("pictures" if is_zip_of_pictures(path, source) else "csv")
    return "split" if named == "split" else "csv"


def files_of(archive: zipfile.ZipFile) -> Walk:
    """The names of all files of a zip, sorted, and what is left out, by the rules of a folder."""
    # Not `is_dir`, which fails for an empty name in Python 3.11.
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    why = {entry.filename: _why_left_out(entry) for entry in entries}
    left_out = [LeftOut(name, reason) for name, reason in why.items() if reason]
    return Walk(sorted(name for name, reason in why.items() if not reason), left_out, [])


def _why_left_out(entry: zipfile.ZipInfo) -> str:
    if not entry.filename:
        return "without a name"
    if is_hidden(entry.filename):
        return HIDDEN
    # The mode of the file on Unix is in the upper half (APPNOTE 4.4.15).
    return LINK if stat.S_ISLNK(entry.external_attr >> 16) else ""


def is_zip_of_pictures(path: Path, shown: str) -> bool:
    """Whether a zip holds pictures, and no single CSV with pixels: labels may lie beside the pictures they are of.

    `shown` is its name in errors. Raises BadZipFile or OSError if it is corrupt.
    """
    with zipfile.ZipFile(path) as archive:
        names = files_of(archive).files
    if not any(name.lower().endswith(IMAGE_SUFFIXES) for name in names) or refusal(b"", names):
        return False
    if sum(name.lower().endswith(".csv") for name in names) != 1:
        return True
    try:
        return not has_pixels(path, shown)
    except InputError:  # the pictures can be read without it
        return True


def pictures_of(path: Path, shown: str) -> Iterator[tuple[str, bytes | str]]:
    """The name and the bytes of each file of a zip, or why they cannot be read. Logs what is left out."""
    with unpacking(shown), zipfile.ZipFile(path) as archive:
        found = files_of(archive)
        if found.left_out:
            log(f"{shown}: left out: {summary_of(found.left_out)}")
        for name in found.files:
            try:
                content = member_content(archive, name, shown)
            except (UnreadableInput, InputError) as error:
                yield name, str(error).removeprefix(f"{shown}: ")
            else:
                yield name, _why_no_picture(content[:HEAD_BYTES]) or content


def _why_no_picture(first: bytes) -> str | None:
    """Why a file in an archive with these first bytes is not read, with the remedy; None if it may be a picture."""
    if is_packed(first):
        return f"is {kind_of(first)} in an archive, which is not opened; unpack the outer one and name what is in it"
    return refusal(first)


@contextmanager
def on_disk(source: str) -> Iterator[Path]:
    """The path of a source, or of a copy of a remote one: parts of it are read more than once."""
    if not is_remote(source):
        yield Path(source)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        try:
            with fsspec.open(source, "rb") as remote, path.open("wb") as copy:
                shutil.copyfileobj(remote, copy)
        except Exception as error:  # each fsspec protocol raises its own errors
            raise_if_ours(source, error)
            raise InputError(f"cannot be read ({type(error).__name__}: {error})") from None
        yield path
