"""Records: images, rows of tables, frames of videos; and shards of them, the unit of scoring and of resuming."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.pixel_text import decode_squares
from tasks.common.errors import Unreachable, UnreadableInput, error_text, raise_if_ours
from tasks.common.files import InputError
from tasks.common.image_formats import STILL_SUFFIXES
from tasks.common.parquet_pages import LIMITS
from tasks.readers.archives import CORRUPT, opened
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge
from tasks.readers.layouts import TABLES, files_of, layout_of, on_disk, pictures_of
from tasks.readers.parquet import parquet_images
from tasks.readers.prepared_split import count_faces, split_faces
from tasks.readers.raw_csv import UNREADABLE, read_pixels
from tasks.readers.sources import is_remote, open_source
from tasks.video.frames import FrameOptions, count_frames, read_frames

SHARD_BYTES = 128 * 2**20
"""Of the contents of one shard, not counting its last record."""

FROM_HERE = "this row and all after it cannot be read: "
"""Prefix of a reason that holds for all remaining rows of a table; of a video it says frame."""


class Record(NamedTuple):
    """An image, a row of a table or a frame of a video that may have faces.

    `row` counts from 1; it is 0 for an image and a frame, and the stored row number for a prepared split. `content`:
    the bytes of the image; its pixels (H, W) uint8 if it is a frame, or known to be one face; the reason, as text, why
    it has none; None if the file is not read yet. `frame` counts from 0, `time_s` are seconds from the first frame.
    """

    source: str
    row: int
    content: bytes | np.ndarray | str | None
    frame: int | None = None
    time_s: float | None = None


class Shard(NamedTuple):
    """Some records, and the number of the shard, from 0."""

    number: int
    records: list[Record]


def shards_of(
    sources: Iterable[str],
    size: int,
    on_source: Callable[[int, int], object] | None = None,
    frames: FrameOptions | None = None,
) -> Iterator[Shard]:
    """All records of the sources, in order, `size` per shard, or fewer if their contents reach SHARD_BYTES.

    `on_source` is called when a source is read to its end, with its place from 0 and the number of its records.
    """
    number, records, num_bytes = 0, [], 0
    for record in _records_of(sources, on_source, frames):
        records.append(record)
        num_bytes += record.content.nbytes if isinstance(record.content, np.ndarray) else len(record.content or "")
        if len(records) == size or num_bytes >= SHARD_BYTES:
            yield Shard(number, records)
            number, records, num_bytes = number + 1, [], 0
    if records:
        yield Shard(number, records)


def _records_of(
    sources: Iterable[str], on_source: Callable[[int, int], object] | None, frames: FrameOptions | None
) -> Iterator[Record]:
    for place, source in enumerate(sources):
        count = 0
        for record in read_records(source, frames):
            count += 1
            yield record
        if on_source:
            on_source(place, count)


def count_records(source: str, fps: float | None = None) -> int:
    """The number of records of a source, for the remaining time: 1 for a table that is refused at its beginning.

    It is too large for a table that is refused further below, and 0 if it is unknown, as of tables at an address.
    """
    if source.lower().endswith(STILL_SUFFIXES):
        return 1
    try:
        layout = layout_of(source)
        if layout == "video":
            return 0 if is_remote(source) else _count_frames(source, fps)
        if layout == "pictures" and not is_remote(source):
            with zipfile.ZipFile(source) as archive:
                return max(len(files_of(archive).files), 1)
        if layout in TABLES and not is_remote(source):
            # Raises what scoring will say of a table that is refused.
            next(_rows(source, Path(source), layout), None)
        if layout == "parquet":
            with open_source(source) as handle:
                return max(int(pq.ParquetFile(handle, **LIMITS).metadata.num_rows), 1)
        if layout not in TABLES or is_remote(source):
            return int(layout not in TABLES)
        return max(count_faces(Path(source)) if layout == "split" else _count_lines(Path(source)), 1)
    except (*CORRUPT, ValueError, pa.ArrowException, UnreadableInput):
        return 1


def _count_frames(source: str, fps: float | None) -> int:
    with open_source(source) as video:
        return count_frames(video, fps)


def _count_lines(path: Path) -> int:
    """The rows of a CSV below its header, up to one that is too large."""
    last = b""
    with opened(path) as handle:
        rows = BoundedRows(handle)
        try:
            for block in iter(lambda: rows.read(2**20), b""):
                last = block[-1:]
        except RowTooLarge:
            return rows.ended
    return rows.ended - (last in (b"\n", b"\r"))


def read_records(source: str, frames: FrameOptions | None = None) -> Iterator[Record]:
    """The records of a source in order: one for an image, one per image of a zip, per row of a table, per frame."""
    frames = frames or FrameOptions()
    row, frame, found = 0, None, False
    try:
        for record in _records(source, frames):
            row, frame, found = record.row, record.frame, True
            yield record
        if not found and frames.wanted is None:
            yield Record(source, 0, "has no rows")
    except Unreachable:
        raise
    except UnreadableInput as error:
        start, following = ("", None) if frame is None else (FROM_HERE.replace("row", "frame"), frame + 1)
        yield Record(source, 0, start + str(error), following)
    except (OSError, ValueError, pa.ArrowException) as error:
        # Arrow also reports out of memory if a corrupt file declares more than there is.
        if not isinstance(error, pa.ArrowException):
            raise_if_ours(source, error)
        reason = error_text(error) if isinstance(error, OSError) else str(error)
        # The rows before stay valid; what follows is unknown.
        yield Record(source, row + 1, FROM_HERE + reason) if found else Record(source, 0, reason)


def _records(source: str, frames: FrameOptions) -> Iterator[Record]:
    if layout_of(source) == "image":
        yield Record(source, 0, None)
        return
    with on_disk(source) as path:
        layout = layout_of(source, path)
        if layout == "video":
            with path.open("rb") as video:
                yield from (Record(source, 0, one.image, one.number, one.time_s) for one in read_frames(video, frames))
            return
        if layout not in TABLES:
            yield Record(source, 0, None if layout == "image" else layout)
            return
        try:
            yield from _rows(source, path, layout)
        except InputError as error:
            # The table of skipped records has the name beside the reason.
            reason = str(error)
            for start in (f"{name}{mark}" for name in (path, source) for mark in (": ", ", ")):
                reason = reason.removeprefix(start)
            raise InputError(reason) from None


def _rows(source: str, path: Path, layout: str) -> Iterator[Record]:
    if layout == "parquet":
        for row, content in enumerate(parquet_images(path), start=1):
            yield Record(source, row, content)
    elif layout == "split":
        for row, image in split_faces(path):
            yield Record(source, row, image)
    elif layout == "pictures":
        for name, content in pictures_of(path, source):
            yield Record(f"{source}/{name}", 0, content)
    else:
        yield from _csv_rows(source, path)


def _csv_rows(source: str, path: Path) -> Iterator[Record]:
    for chunk in read_pixels(path):
        contents = decode_squares(chunk["pixels"].tolist())
        # Of a row that has pixels in spite of a reason, these were mended.
        reasons = chunk[UNREADABLE].where(chunk["pixels"].str.strip() == "", "")
        for row, content, unreadable in zip(chunk["row"], contents, reasons, strict=True):
            yield Record(source, int(row), unreadable or content)
