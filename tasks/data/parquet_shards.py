"""Finds the Parquet files of a data set: one file, or the shards in a folder or a zip."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from faces.common.schema import usage_name
from tasks.common.file_kinds import HEAD_BYTES, PARQUET, ZIPS
from tasks.common.files import InputError
from tasks.common.image_formats import IMAGE_SUFFIXES
from tasks.common.walking import LeftOut, Walk, summary_of, walk
from tasks.orchestration.artifacts import log
from tasks.readers.archives import member, unpacking
from tasks.readers.layouts import files_of

SUFFIX = ".parquet"
OTHER_TABLES = (".csv", *IMAGE_SUFFIXES)


def is_parquet(source: Path, shown: str) -> bool:
    """Whether `source` is a Parquet file, or a folder or a zip with such files and no other table."""
    if (found := _files(source, shown)) is None:
        return _starts_with(source, PARQUET)
    names = [name.lower() for name in found.files]
    return any(map(_is_shard, names)) and not any(name.endswith(OTHER_TABLES) for name in names)


def shards_of(source: Path, shown: str) -> list[str]:
    """The names of a folder's or an archive's shards; one empty name for a file. Logs what is left out.

    Raises InputError if there are none.
    """
    if (found := _files(source, shown)) is None:
        return [""]
    others = [LeftOut(name, "other than Parquet") for name in found.files if not _is_shard(name)]
    left_out = summary_of([*found.left_out, *others])
    shards = [name for name in found.files if _is_shard(name)]
    if not shards:
        remedy = f"left out: {left_out}; " if left_out else ""
        raise InputError(f"{shown}: contains no Parquet; {remedy}name a folder of *.parquet")
    if left_out:
        log(f"{shown}: left out: {left_out}")
    if len(found.roots) > 1:
        log(
            f"{shown}: linked folders are entered, in which DVC sees no change; after one, run "
            "`dvc repro --force --single-item ingest`"
        )
    return shards


def usage_of(name: str) -> str:
    """The value of Usage for `train-00000-of-00002.parquet` or `train/0000.parquet`; an empty text for other names."""
    path = PurePosixPath(name)
    words = (path.name.split("-")[0], path.stem, path.parent.name)
    return next((usage for word in words if (usage := usage_name(word.removesuffix(SUFFIX))) is not None), "")


def _files(source: Path, shown: str) -> Walk | None:
    """The relative names of all files of a folder or a zip, sorted, and what is left out; None for another file."""
    if source.is_dir():
        found = walk(str(source))
        names = [Path(path).relative_to(source).as_posix() for path in found.files]
        left_out = [LeftOut(os.path.relpath(one.path, source), one.why) for one in found.left_out]
        return Walk(sorted(names), left_out, found.roots)
    if not _starts_with(source, ZIPS):
        return None
    with unpacking(shown), zipfile.ZipFile(source) as archive:
        return files_of(archive)


def _is_shard(name: str) -> bool:
    return name.lower().endswith(SUFFIX)


def _starts_with(source: Path, signatures: bytes | tuple[bytes, ...]) -> bool:
    if not source.is_file():
        return False
    with source.open("rb") as handle:
        return handle.read(HEAD_BYTES).startswith(signatures)


@contextmanager
def shard_on_disk(source: Path, name: str, shown: str, folder: Path) -> Iterator[Path]:
    """The path of a shard; one of an archive is unpacked for a time."""
    if not _starts_with(source, ZIPS):
        yield source / name if name else source
        return
    with TemporaryDirectory(prefix=".shard.", dir=folder) as unpacked:
        path = Path(unpacked, "shard")
        with (
            unpacking(shown),
            zipfile.ZipFile(source) as archive,
            member(archive, name, shown) as inside,
            path.open("wb") as copy,
        ):
            shutil.copyfileobj(inside, copy, 1 << 20)
        yield path
