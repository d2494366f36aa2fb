"""Reads an image folder, `<split>/<class name>/*.png|jpg`, as FER2013 is usually shared: a folder or a zip."""

import csv
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from faces.common.pixel_text import SIZES
from faces.common.schema import class_name, usage_name
from tasks.common.csv_escaping import protect
from tasks.common.errors import UnreadableInput, content_errors
from tasks.common.files import InputError
from tasks.orchestration.artifacts import log
from tasks.readers.archives import is_hidden, member, unpacking
from tasks.readers.images import grey_levels, open_image
from tasks.readers.sources import MAX_BYTES, content_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_PIXELS = 1_000_000
"""Of a TIFF's tile that holds an image of 48 x 48."""

Reader = Callable[[str], bytes]


def is_image_folder(source: Path, shown: str) -> bool:
    """Whether `source` is a folder, or a zip with images and no CSV. `shown` is its name in errors."""
    if source.is_dir():
        return True
    if not zipfile.is_zipfile(source):
        return False
    with unpacking(shown), zipfile.ZipFile(source) as archive:
        endings = {PurePosixPath(name).suffix.lower() for name in archive.namelist() if not is_hidden(name)}
    return bool(endings & set(IMAGE_SUFFIXES)) and ".csv" not in endings


def write_image_folder_csv(source: Path, out: Path, shown: str) -> None:
    """Write the images of a folder to `out` as one emotion CSV: emotion (a class name), pixels, Usage and file.

    Rows are in the order of their paths. A file that is not an image gets an empty pixel cell, an image of another size
    a cell with that size: validation quarantines both. Raises InputError if the layout is another; `shown` is the
    folder's name in errors.
    """
    with unpacking(shown), _reading(source, shown) as (names, read):
        images = sorted(name for name in names if _is_image(name))
        if not images:
            raise InputError(f"{shown}: contains no image; <split>/<class name>/*.png or *.jpg is needed")
        if len(images) < len(names):
            log(f"{shown}: {len(names) - len(images)} files are hidden or not .png or .jpg; they are ignored")
        _write_rows(images, read, out, shown)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not is_hidden(name)


@contextmanager
def _reading(source: Path, shown: str) -> Iterator[tuple[list[str], Reader]]:
    """The relative names of all files, with `/`, and a function that reads one."""
    if source.is_dir():
        yield (
            [path.relative_to(source).as_posix() for path in _files(source)],
            lambda name: _file(source / name),
        )
    else:
        with zipfile.ZipFile(source) as archive:
            yield (
                [entry.filename for entry in archive.infolist() if not entry.is_dir()],
                lambda name: _member(archive, name, shown),
            )


def _file(path: Path) -> bytes:
    try:
        return content_of(str(path))
    except UnreadableInput as error:
        raise InputError(f"{path}: {error}; mend or remove it") from None


def _member(archive: zipfile.ZipFile, name: str, shown: str) -> bytes:
    with member(archive, name, shown) as inside:
        content = inside.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"{shown}: {name}: more than {MAX_BYTES // 2**20} MiB; make it smaller, or remove it")
    return content


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, including links; a folder that is reached twice is entered once."""
    entered = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(where)) in entered:
            folders.clear()
            continue
        entered.add(real)
        for name in files:
            path = Path(where, name)
            if not path.exists():
                raise InputError(f"{path}: a broken link; mend or remove it")
            yield path


def _write_rows(images: list[str], read: Reader, out: Path, shown: str) -> None:
    # A file's name may be any bytes; the column only shows it.
    with out.open("w", newline="", encoding="utf-8", errors="backslashreplace") as text:
        rows = csv.writer(text)
        rows.writerow(["emotion", "pixels", "Usage", "file"])
        unreadable: list[str] = []
        for name in images:
            usage, emotion = _usage_and_class(name, shown)
            content = read(name)
            try:
                pixels = _pixel_text(content)
            except UnreadableInput as error:
                pixels = ""
                unreadable.append(f"{name} {error}")
            rows.writerow([protect(emotion), pixels, usage, protect(name)])
    if unreadable:
        log(f"{shown}: {len(unreadable)} files have no usable pixels, the first: {unreadable[0]}")


def _usage_and_class(name: str, shown: str) -> tuple[str, str]:
    """The value of Usage, and the class name or a folder's unknown name, from the path of an image."""
    folders = PurePosixPath(name).parts
    if len(folders) < 3:
        raise InputError(f"{shown}: {name} is not in <split>/<class name>/; move it there, or remove it")
    split, folder = folders[-3], folders[-2]
    usage = usage_name(split)
    if usage is None:
        raise InputError(f"{shown}: {name}: the folder {split} names no split; rename it train, validation or test")
    if not any(letter.isalpha() for letter in folder):
        raise InputError(
            f"{shown}: {name}: the folder {folder} names no class: codes differ between data sets; rename it by what "
            "its faces show (angry, happy, neutral, ...)"
        )
    # An unknown name is kept: validation sets those rows aside.
    return usage, class_name(folder, "fer2013") or folder


def _pixel_text(content: bytes) -> str:
    """An image's pixels as text, or its size if that is not 48 x 48. Raises UnreadableInput if it cannot be decoded."""
    with open_image(content) as image:
        width, height = image.size
    if (width, height) != (SIZES["emotion"], SIZES["emotion"]):
        return f"{width} x {height} pixels"
    # Rejects what scoring rejects: OpenCV fills in the rest of a truncated image.
    grey_levels(content, MAX_PIXELS)
    with content_errors("cannot be decoded"):
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        if pixels is None or pixels.shape != (height, width):
            raise UnreadableInput("cannot be decoded by OpenCV")
    return " ".join(map(str, pixels.ravel().tolist()))
