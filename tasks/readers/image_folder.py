"""Reads an image folder, `<split>/<class name>/*.png|jpg` as FER2013, or `<class name>/*` as CK+: a folder or a zip."""

import csv
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from faces.common.schema import class_name
from tasks.common.csv_escaping import protect
from tasks.common.errors import UnreadableInput
from tasks.common.files import InputError, readable
from tasks.orchestration.artifacts import log
from tasks.readers.archives import is_hidden, member, unpacking
from tasks.readers.images import IMAGE_SUFFIXES
from tasks.readers.raw_csv import UNREADABLE
from tasks.readers.sources import MAX_BYTES, content_of
from tasks.readers.training_images import face_pixels, resized_text

USAGE_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "Training"),
    **dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest"),
    **dict.fromkeys(("test", "testing", "privatetest"), "PrivateTest"),
}
"""FER2013's value of the column Usage, by the name of a split's folder."""

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

    Without folders of splits there is no column Usage. Rows are in the order of their paths. What cannot be read as a
    face has an empty cell of pixels, and the reason in the column UNREADABLE: validation quarantines it. Raises
    InputError if the layout is another; `shown` is the folder's name in errors.
    """
    with unpacking(shown), _reading(source, shown) as (names, read):
        images = sorted(name for name in names if _is_image(name))
        if not images:
            raise InputError(f"{shown}: contains no image; <split>/<class name>/*.png or *.jpg is needed")
        has_splits = _has_splits(images, shown)
        if not has_splits:
            log(f"{shown}: no folder above the classes names a split (train, validation, test); Usage is not written")
        if len(images) < len(names):
            log(f"{shown}: {len(names) - len(images)} files are hidden or no images by their names; they are ignored")
        _write_rows(images, has_splits, read, out, shown)


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


def _write_rows(images: list[str], has_splits: bool, read: Reader, out: Path, shown: str) -> None:
    # A file's name may be any bytes; the column only shows it.
    with out.open("w", newline="", encoding="utf-8", errors="backslashreplace") as text:
        rows = csv.writer(text)
        rows.writerow(["emotion", "pixels", *(["Usage"] if has_splits else []), "file", UNREADABLE])
        unreadable: list[str] = []
        resized: Counter[str] = Counter()
        for name in images:
            usage, emotion = _usage_and_class(name, shown)
            content = read(name)
            pixels, reason = "", ""
            try:
                pixels = _pixel_text(content, resized)
            except UnreadableInput as error:
                reason = readable(str(error))
                unreadable.append(f"{name} {reason}")
            rows.writerow([emotion, pixels, *([usage] if has_splits else []), protect(name), protect(reason)])
    if resized:
        log(f"{shown}: {resized_text(resized)}")
    if unreadable:
        log(f"{shown}: {len(unreadable)} files have no usable pixels, the first: {unreadable[0]}")


def _has_splits(images: list[str], shown: str) -> bool:
    """Whether the class folders are in folders of splits. Raises InputError if it is not certain.

    Several folders that name no split may be splits under other names: to ignore them would mix their faces.
    """
    above = {PurePosixPath(name).parent.parent: name for name in reversed(images)}
    others = [(folder.name, name) for folder, name in above.items() if _usage(folder.name) is None]
    if others and len(above) > 1:
        folder, name = min(others)
        if not folder:
            raise InputError(f"{shown}: {name} is not in <split>/<class name>/; move it there, or remove it")
        raise InputError(f"{shown}: {name}: the folder {folder} names no split; rename it train, validation or test")
    return not others


def _usage(folder: str) -> str | None:
    return USAGE_OF_FOLDER.get(re.sub(r"[\W_]", "", folder.lower()))


def _usage_and_class(name: str, shown: str) -> tuple[str | None, str]:
    """The value of Usage, None without a folder of a split, and the class name, from the path of an image."""
    folders = PurePosixPath(name).parts
    if len(folders) < 2:
        raise InputError(
            f"{shown}: {name} is not in <class name>/ or <split>/<class name>/; move it there, or remove it"
        )
    folder = folders[-2]
    emotion = None if folder.isdecimal() else class_name(folder, "fer2013")
    if emotion is None:
        raise InputError(f"{shown}: {name}: the folder {folder} names no class; rename it (angry, happy, neutral, ...)")
    return _usage(folders[-3]) if len(folders) > 2 else None, emotion


def _pixel_text(content: bytes, resized: Counter[str]) -> str:
    """The grey levels of an image, at 48 x 48, as text. Raises UnreadableInput if it has none."""
    return " ".join(map(str, face_pixels(content, resized).ravel().tolist()))
