"""What is scored at one time, and done again after a kill: shards of pictures and of rows of tables."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple, cast

import fsspec
import numpy as np
import pyarrow as pa

from faces.common.pixel_text import SIZES, decode_images
from tasks.common.errors import Unreachable, raise_if_ours, said
from tasks.common.files import InputError
from tasks.readers.archives import opened
from tasks.readers.parquet import count_rows, parquet_pictures
from tasks.readers.raw_csv import PIXELS, header, read_raw
from tasks.readers.sources import is_remote, is_table

SHARD_BYTES = 128 * 2**20
"""Of the contents of one shard, less the last item's."""


class Item(NamedTuple):
    """A picture, or a row of a table (from 1; 0 for a picture), that may have faces.

    `content`: the bytes of the picture; its pixels (H, W) uint8, if it is known to be one face; why there is none,
    as text; None where the file has yet to be read.
    """

    source: str
    row: int
    content: bytes | np.ndarray | str | None


class Shard(NamedTuple):
    """Some items, and where they stand among all."""

    number: int
    items: list[Item]


def shards_of(sources: Iterable[str], size: int) -> Iterator[Shard]:
    """All items of the sources, in order, `size` a shard, or fewer where their contents reach SHARD_BYTES."""
    number, items, held = 0, [], 0
    for item in (item for source in sources for item in items_of(source)):
        items.append(item)
        held += item.content.nbytes if isinstance(item.content, np.ndarray) else len(item.content or "")
        if len(items) == size or held >= SHARD_BYTES:
            yield Shard(number, items)
            number, items, held = number + 1, [], 0
    if items:
        yield Shard(number, items)


def count_items(source: str) -> int:
    """How many items a source has, for the time that is left; a table's lines may be more than its rows.

    0 where that is not known before: of a CSV at an address.
    """
    if not is_table(source):
        return 1
    if is_remote(source) and not source.lower().endswith(".parquet"):
        return 0
    try:
        if not is_remote(source) and not Path(source).is_file():
            return 1
        if source.lower().endswith(".parquet"):
            with _opened(source) as handle:
                return max(count_rows(handle), 1)
        with opened(Path(source)) as handle:
            return max(sum(part.count(b"\n") for part in iter(lambda: handle.read(2**20), b"")) - 1, 1)
    except (OSError, ValueError, pa.ArrowException):
        return 1


def _opened(source: str) -> AbstractContextManager[BinaryIO]:
    """The bytes of a source. In a path, fsspec would take `::`, `*` and `~` for more than parts of names."""
    return cast(
        AbstractContextManager[BinaryIO], fsspec.open(source, "rb") if is_remote(source) else open(source, "rb")
    )


def items_of(source: str) -> Iterator[Item]:
    """The picture that a source is, or the rows of a table, in order."""
    if not is_table(source):
        yield Item(source, 0, None)
        return
    row = 0
    try:
        for item in _rows(source):
            row = item.row
            yield item
        if not row:
            yield Item(source, 0, "has no row")
    except Unreachable:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        # Arrow is also out of memory where a damaged file claims more than there is.
        if not isinstance(error, pa.ArrowException):
            raise_if_ours(source, error)
        reason = said(error) if isinstance(error, OSError) else str(error).removeprefix(source).lstrip(":, ")
        # What came before counts; what would come after cannot be known.
        yield Item(source, row + 1, f"from here on: {reason}")


def _rows(source: str) -> Iterator[Item]:
    with _on_disk(source) as path:
        try:
            if source.lower().endswith(".parquet"):
                for row, content in enumerate(parquet_pictures(path), start=1):
                    yield Item(source, row, content)
            else:
                yield from _csv_rows(source, path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), source)) from None


@contextmanager
def _on_disk(source: str) -> Iterator[Path]:
    """A table where it is, or a copy of what an address holds: parts of it are read more than once."""
    if not is_remote(source):
        yield Path(source)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        try:
            with fsspec.open(source, "rb") as given, path.open("wb") as copy:
                shutil.copyfileobj(given, copy)
        except Exception as error:  # each protocol's plug-in has errors of its own
            raise_if_ours(source, error)
            raise InputError(f"cannot be read ({type(error).__name__}: {error})") from None
        yield path


def _csv_rows(source: str, path: Path) -> Iterator[Item]:
    names = header(path)
    head = next((head for head, column in PIXELS.items() if column in names), None)
    if head is None:
        raise InputError("has neither a column pixels (emotion) nor Image (key points)")
    for chunk in read_raw(path, head):
        images, usable = decode_images(chunk[PIXELS[head]].tolist(), SIZES[head])
        faces = iter(images)
        for row, good in zip(chunk["row"].tolist(), usable.tolist(), strict=True):
            yield Item(source, row, next(faces) if good else f"not {SIZES[head] ** 2} pixels of 0..255")
