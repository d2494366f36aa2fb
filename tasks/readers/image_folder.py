"""Reads a tree of pictures, `<part>/<class name>/*.png|jpg`, as FER2013 is usually shared: a folder or a zip."""

import csv
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from faces.common.pixel_text import SIZES
from faces.common.schema import class_name
from tasks.common.csv_escaping import protect
from tasks.common.errors import Unusable, content_errors
from tasks.common.files import InputError
from tasks.orchestration.api import log
from tasks.readers.archives import is_hidden, member, unpacking
from tasks.readers.images import grey_levels, opened_picture
from tasks.readers.sources import MOST_BYTES, content_of

PICTURES = (".png", ".jpg", ".jpeg")
USAGES = {
    **dict.fromkeys(("train", "training"), "Training"),
    **dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest"),
    **dict.fromkeys(("test", "testing", "privatetest"), "PrivateTest"),
}
"""What the parts' folders are called, and what they are called in FER2013's column Usage."""

MOST_PIXELS = 1_000_000
"""Of a TIFF's tile, in which a picture of 48 x 48 lies."""

Reader = Callable[[str], bytes]


def is_tree(source: Path, shown: str) -> bool:
    """Whether `source` is a folder, or a zip that holds pictures and no CSV."""
    if source.is_dir():
        return True
    if not zipfile.is_zipfile(source):
        return False
    with unpacking(shown), zipfile.ZipFile(source) as archive:
        endings = {PurePosixPath(name).suffix.lower() for name in archive.namelist() if not is_hidden(name)}
    return bool(endings & set(PICTURES)) and ".csv" not in endings


def write_tree(source: Path, out: Path, shown: str) -> None:
    """Write a tree's pictures to `out` as one emotion CSV: emotion (a class name), pixels, Usage and file.

    Rows stand in the order of their paths. A file that is no picture gets an empty pixel cell, a picture of another
    size that size in words: validation sets them aside. Raises InputError where the tree is not of this form; `shown`
    is what errors call it.
    """
    with unpacking(shown), _reading(source, shown) as (names, read):
        pictures = sorted(name for name in names if _is_picture(name))
        if not pictures:
            raise InputError(f"{shown}: no picture in it; <part>/<class name>/*.png or *.jpg is needed")
        if len(pictures) < len(names):
            log(f"{shown}: {len(names) - len(pictures)} files are hidden, or no .png or .jpg, and are left out")
        _write_rows(pictures, read, out, shown)


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PICTURES and not is_hidden(name)


@contextmanager
def _reading(source: Path, shown: str) -> Iterator[tuple[list[str], Reader]]:
    """Names of all files, relative, `/` between, and what reads one."""
    if source.is_dir():
        yield (
            [path.relative_to(source).as_posix() for path in _files(source)],
            lambda name: _file(source / name),
        )
    else:
        with zipfile.ZipFile(source) as archive:
            yield (
                [one.filename for one in archive.infolist() if not one.is_dir()],
                lambda name: _member(archive, name, shown),
            )


def _file(path: Path) -> bytes:
    try:
        return content_of(str(path))
    except Unusable as error:
        raise InputError(f"{path}: {error}; mend or remove it") from None


def _member(archive: zipfile.ZipFile, name: str, shown: str) -> bytes:
    with member(archive, name, shown) as inside:
        content = inside.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{shown}: {name}: more than {MOST_BYTES // 2**20} MiB; make it smaller, or remove it")
    return content


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, linked ones too; a folder that is reached twice is entered once."""
    entered = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(where)) in entered:
            folders.clear()
            continue
        entered.add(real)
        for name in files:
            path = Path(where, name)
            if not path.exists():
                raise InputError(f"{path}: a link to what is not there; mend or remove it")
            yield path


def _write_rows(pictures: list[str], read: Reader, out: Path, shown: str) -> None:
    # A file's name may be any bytes; here it is only shown.
    with out.open("w", newline="", encoding="utf-8", errors="backslashreplace") as text:
        rows = csv.writer(text)
        rows.writerow(["emotion", "pixels", "Usage", "file"])
        spoilt: list[str] = []
        for name in pictures:
            usage, emotion = _part_and_class(name, shown)
            content = read(name)
            try:
                pixels = _pixel_text(content)
            except Unusable as error:
                pixels = ""
                spoilt.append(f"{name} {error}")
            rows.writerow([emotion, pixels, usage, protect(name)])
    if spoilt:
        log(f"{shown}: {len(spoilt)} files have no pixels that can be used, the first: {spoilt[0]}")


def _part_and_class(name: str, shown: str) -> tuple[str, str]:
    parts = PurePosixPath(name).parts
    if len(parts) < 3:
        raise InputError(f"{shown}: {name} does not stand in <part>/<class name>/; move it there, or remove it")
    part, folder = parts[-3], parts[-2]
    usage = USAGES.get(re.sub(r"[\W_]", "", part.lower()))
    if usage is None:
        raise InputError(f"{shown}: {name}: the folder {part} names no part; rename it train, validation or test")
    emotion = None if folder.isdecimal() else class_name(folder, "fer2013")
    if emotion is None:
        raise InputError(f"{shown}: {name}: the folder {folder} names no class; rename it (angry, happy, neutral, ...)")
    return usage, emotion


def _pixel_text(content: bytes) -> str:
    """A picture's pixels as text; its size in words where that is not 48 x 48. Raises Unusable where there are none."""
    with opened_picture(content) as picture:
        width, height = picture.size
    if (width, height) != (SIZES["emotion"], SIZES["emotion"]):
        return f"{width} x {height} pixels"
    # Refuses what scoring refuses: of a picture that is cut off, OpenCV makes up the rest.
    grey_levels(content, MOST_PIXELS)
    with content_errors("cannot be decoded"):
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None or image.shape != (height, width):
            raise Unusable("cannot be decoded by OpenCV")
    return " ".join(map(str, image.ravel().tolist()))
