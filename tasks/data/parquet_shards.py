"""Finds the Parquet files of a data set: one file, or the shards in a folder or a zip."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from tasks.common.image_formats import IMAGE_SUFFIXES
from tasks.common.walking import is_hidden
from tasks.readers.archives import member, unpacking

MAGIC = b"PAR1"
SUFFIX = ".parquet"


def is_parquet(source: Path, shown: str) -> bool:
    """Whether `source` is a Parquet file, or a folder or a zip with such files and no other table."""
    if source.is_dir():
        names = [path.name for path in source.rglob("*") if path.is_file()]
    elif zipfile.is_zipfile(source):
        with unpacking(shown), zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    elif source.is_file():
        with source.open("rb") as handle:
            return handle.read(len(MAGIC)) == MAGIC
    else:
        return False
    endings = {PurePosixPath(name).suffix.lower() for name in names if not is_hidden(name)}
    return SUFFIX in endings and not endings & {".csv", *IMAGE_SUFFIXES}


def shards_of(source: Path, shown: str) -> list[str]:
    """The names of a folder's or an archive's shards; one empty name for a file."""
    if source.is_dir():
        names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    elif zipfile.is_zipfile(source):
        with unpacking(shown), zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    else:
        return [""]
    return sorted(name for name in names if name.lower().endswith(SUFFIX) and not is_hidden(name))


@contextmanager
def shard_on_disk(source: Path, name: str, shown: str, folder: Path) -> Iterator[Path]:
    """The path of a shard; one of an archive is unpacked for a time."""
    if not zipfile.is_zipfile(source):
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
