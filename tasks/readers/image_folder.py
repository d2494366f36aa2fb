"""Reads an image folder, `<split>/<class name>/*.png|jpg` as FER2013, or `<class name>/*` as CK+: a folder or a zip."""

import csv
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from faces.common.schema import class_name, usage_name
from faces.data.pixel_columns import predicting
from tasks.common.csv_escaping import protect
from tasks.common.errors import UnreadableInput, is_machine_fault
from tasks.common.file_kinds import HEAD_BYTES
from tasks.common.files import InputError, readable
from tasks.common.image_formats import IMAGE_SUFFIXES, image_format
from tasks.common.walking import LeftOut, Walk, summary_of, walk
from tasks.orchestration.artifacts import counted, log
from tasks.readers.archives import CORRUPT, PACKED, member, unpacking
from tasks.readers.layouts import files_of, is_zip_of_pictures
from tasks.readers.raw_csv import UNREADABLE
from tasks.readers.sources import content_of, head_of, member_content
from tasks.readers.training_images import face_pixels, resized_text

Reader = Callable[[str], bytes]


def is_image_folder(source: Path, shown: str) -> bool:
    """Whether `source` is a folder, or a zip of pictures. `shown` is its name in errors."""
    if source.is_dir():
        return True
    with unpacking(shown):
        return zipfile.is_zipfile(source) and is_zip_of_pictures(source, shown)


def write_image_folder_csv(source: Path, out: Path, shown: str) -> None:
    """Write the images of a folder to `out` as one emotion CSV: emotion (a class name), pixels, Usage and file.

    Without folders of splits there is no column Usage. Rows are in the order of their paths. What cannot be read as a
    face has an empty cell of pixels, and the reason in the column UNREADABLE: validation quarantines it. What is left
    out is logged. Raises InputError if the layout is another; `shown` is the folder's name in errors.
    """
    with unpacking(shown), _reading(source, shown) as (found, read, head):
        _write_rows(_placed(found, head, shown), read, out, shown)


def check_image_folder(source: Path, shown: str) -> None:
    """Raise the InputError of `write_image_folder_csv` for the layout; no picture is decoded."""
    with unpacking(shown), _reading(source, shown) as (found, _, head):
        _placed(found, head, shown)


def _placed(found: Walk, head: Reader, shown: str) -> dict[str, tuple[str | None, str]]:
    """The split, None if there are none, and the class of each picture. Raises InputError if the layout is another."""
    images = [name for name in found.files if name.lower().endswith(IMAGE_SUFFIXES) or image_format(head(name))]
    others = [LeftOut(name, "other than pictures") for name in sorted({*found.files} - {*images})]
    left_out = summary_of([*found.left_out, *others])
    if not images:
        raise InputError(f"{shown}: contains no image; {_instead(found.files, left_out)}")
    _require_class_folders(images, shown)
    has_splits = _has_splits(images, shown)
    _require_a_class(images, shown)
    if not has_splits:
        log(f"{shown}: no folder above the classes names a split (train, validation, test); Usage is not written")
    if left_out:
        log(f"{shown}: left out: {left_out}")
    return {name: _usage_and_class(name, shown) for name in images}


@contextmanager
def _reading(source: Path, shown: str) -> Iterator[tuple[Walk, Reader, Reader]]:
    """The relative names of all files, with `/`, and functions that read one file, and the beginning of one."""
    if source.is_dir():
        found = _files(source, shown)
        yield found, lambda name: content_of(str(source / name)), lambda name: head_of(str(source / name))
    else:
        with zipfile.ZipFile(source) as archive:
            yield (
                files_of(archive),
                lambda name: member_content(archive, name, shown),
                lambda name: _head_of_member(archive, name, shown),
            )


def _head_of_member(archive: zipfile.ZipFile, name: str, shown: str) -> bytes:
    try:
        with member(archive, name, shown) as inside:
            return inside.read(HEAD_BYTES)
    except CORRUPT as error:
        if is_machine_fault(error):
            raise
        return b""


def _files(folder: Path, shown: str) -> Walk:
    """All files below a folder, named relative to it."""
    found = walk(str(folder))
    if len(found.roots) > 1:
        linked = counted(len(found.roots) - 1, "linked folder is", "linked folders are")
        log(
            f"{shown}: {linked} entered, in which DVC sees no change; after one, run "
            "`dvc repro --force --single-item ingest`"
        )
    names = [Path(path).relative_to(folder).as_posix() for path in found.files]
    left_out = [LeftOut(os.path.relpath(one.path, folder), one.why) for one in found.left_out]
    return Walk(names, left_out, found.roots)


def _write_rows(images: dict[str, tuple[str | None, str]], read: Reader, out: Path, shown: str) -> None:
    has_splits = any(usage is not None for usage, _ in images.values())
    # A file's name may be any bytes; the column only shows it.
    with out.open("w", newline="", encoding="utf-8", errors="backslashreplace") as text:
        rows = csv.writer(text)
        rows.writerow(["emotion", "pixels", *(["Usage"] if has_splits else []), "file", UNREADABLE])
        unreadable: list[str] = []
        resized: Counter[str] = Counter()
        for name, (usage, emotion) in images.items():
            pixels, reason = "", ""
            try:
                pixels = _pixel_text(read(name), resized)
            except UnreadableInput as error:
                reason = readable(str(error))
                unreadable.append(f"{name} {reason}")
            rows.writerow([protect(emotion), pixels, *([usage] if has_splits else []), protect(name), protect(reason)])
    if resized:
        log(f"{shown}: {resized_text(resized)}")
    if unreadable:
        files = counted(len(unreadable), "file has", "files have")
        log(f"{shown}: {files} no usable pixels, the first: {unreadable[0]}")


def _instead(files: list[str], left_out: str) -> str:
    """What to do with a folder without pictures: it may hold the file that is meant."""
    needed = "<split>/<class name>/*.png or *.jpg is needed"
    tables = [name for name in files if PurePosixPath(name).suffix.lower() in (".csv", *PACKED)]
    remedy = f", or name {tables[0]} itself" if tables else ""
    return f"left out: {left_out}; {needed}{remedy}" if left_out else needed


def _require_class_folders(images: list[str], shown: str) -> None:
    """Raise InputError if no picture is in a folder below the splits, which would say what it shows."""
    folders = {str(PurePosixPath(name).parent): name for name in reversed(images)}
    if not all(folder == "." or usage_name(folder) is not None for folder in folders):
        return
    example = min(folders.values())
    split = "" if "." in folders else f"{PurePosixPath(example).parent}/"
    raise InputError(
        f"{shown}: {example}: no folder names the class; put each picture into one named by what it shows, "
        f"{split}happy/{PurePosixPath(example).name}; {predicting(shown)}"
    )


def _has_splits(images: list[str], shown: str) -> bool:
    """Whether the class folders are in folders of splits. Raises InputError if it is not certain.

    Several folders that name no split may be splits under other names: to ignore them would mix their faces.
    """
    above = {PurePosixPath(name).parent.parent: name for name in reversed(images)}
    others = [(folder.name, name) for folder, name in above.items() if usage_name(folder.name) is None]
    if others and len(above) > 1:
        folder, name = min(others)
        if not folder:
            raise InputError(f"{shown}: {name} is not in <split>/<class name>/; move it there, or remove it")
        raise InputError(f"{shown}: {name}: the folder {folder} names no split; rename it train, validation or test")
    return not others


def _usage_and_class(name: str, shown: str) -> tuple[str | None, str]:
    """The value of Usage, None without a split's folder, and the class or an unknown name, from an image's path."""
    folders = PurePosixPath(name).parts
    if len(folders) < 2:
        raise InputError(
            f"{shown}: {name} is not in <class name>/ or <split>/<class name>/; move it there, or remove it"
        )
    folder = folders[-2]
    if not any(letter.isalpha() for letter in folder):
        raise _no_class(name, shown)
    # An unknown name is kept: validation quarantines those rows.
    return usage_name(folders[-3]) if len(folders) > 2 else None, class_name(folder, "fer2013") or folder


def _require_a_class(images: list[str], shown: str) -> None:
    """Raise InputError if no folder names a known class: then the folders are something else."""
    folders = {PurePosixPath(name).parent.name: name for name in reversed(images) if "/" in name}
    if folders and not any(class_name(folder, "fer2013") for folder in folders if not folder.isdecimal()):
        raise InputError(f"{_no_class(min(folders.values()), shown)}; {predicting(shown)}")


def _no_class(name: str, shown: str) -> InputError:
    folder = PurePosixPath(name).parent.name
    why = "" if any(letter.isalpha() for letter in folder) else ": codes differ between data sets"
    return InputError(
        f"{shown}: {name}: the folder {folder} names no class{why}; rename it by what its faces show (happy, ...)"
    )


def _pixel_text(content: bytes, resized: Counter[str]) -> str:
    """The grey levels of an image, at 48 x 48, as text. Raises UnreadableInput if it has none."""
    return " ".join(map(str, face_pixels(content, resized).ravel().tolist()))
