"""The shards of a batch on disk: each is written atomically, then all are joined into the two tables."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.common.files import InputError, replacing
from tasks.orchestration.artifacts import counted
from tasks.scoring.prediction_rows import Rows
from tasks.video.track_table import Tracking, finished, table_schema

WORK, MANIFEST = ".shards", "manifest.json"
"""Folder of the shards in the output of an unfinished run, and the file of the run's fingerprint in it."""
TABLES = ("skipped", "predictions")
GROUP_ROWS = 16_384
RECORD = ["source", "row", "frame"]
"""Columns that identify a record."""


def is_scored(work: Path, number: int) -> bool:
    """Whether a shard is complete."""
    # `write_shard` writes this table last.
    return _path(work, "predictions", number).exists()


def write_shard(rows: Rows, work: Path, number: int) -> None:
    """Write the rows of a shard."""
    for name, table in (("skipped", rows.skipped), ("predictions", rows.predictions)):
        with replacing(_path(work, name, number)) as temporary:
            pq.write_table(table, temporary)


def is_joined(out: Path) -> bool:
    """Whether both tables exist, so nothing is left to score."""
    return all((out / f"{name}.parquet").exists() for name in TABLES)


def first_reason(work: Path) -> str | None:
    """If no shard has a face, the first source or row with its reason, and how many more there are; else None."""
    if any(pq.read_metadata(shard).num_rows for shard in work.glob("predictions-*.parquet")):
        return None
    shards = sorted(work.glob("skipped-*.parquet"))
    first = pq.read_table(shards[0]).slice(0, 1).to_pylist()[0]
    others = sum(pq.read_metadata(shard).num_rows for shard in shards) - 1
    place = place_of(first["source"], first["row"], first["frame"])
    more = f"; {counted(others, 'more record has', 'more records have')} no face either" if others else ""
    return f"{place}: {first['reason']}{more}"


def place_of(source: str, row: int, frame: float | None = None) -> str:
    """A record in words: its source, with its row in a table or its frame in a video, None or NaN for others."""
    is_frame = frame is not None and frame == frame
    return f"{source}, frame {int(frame or 0)}" if is_frame else f"{source}, row {row}" if row else source


def join_shards(work: Path, out: Path, num_records: int, tracking: Tracking | None = None) -> dict[str, int]:
    """Write both tables, few rows in memory at a time, and return their row counts. The shards are kept.

    `tracking` is None for a run without videos, whose tables have no columns for them. Raises InputError if a record is
    in neither table.
    """
    shards = {name: sorted(work.glob(f"{name}-*.parquet")) for name in TABLES}
    # No record is in two shards.
    found = sum(
        len(pq.read_table(shard, columns=RECORD).group_by(RECORD).aggregate([]))
        for shard in chain.from_iterable(shards.values())
    )
    if found != num_records:
        read = counted(num_records, "image or row was", "images and rows were")
        raise InputError(f"{out}: {read} read, but the shards hold {found}; remove {work} and score again")
    rows = {}
    for name, files in shards.items():
        with (
            replacing(out / f"{name}.parquet") as temporary,
            pq.ParquetWriter(temporary, table_schema(pq.read_schema(files[0]), tracking)) as writer,
        ):
            for table in _regrouped(finished(map(pq.read_table, files), tracking)):
                writer.write_table(table)
        rows[name] = pq.read_metadata(out / f"{name}.parquet").num_rows
    return rows


def remove_shards(work: Path) -> None:
    """Remove the shards; every other file stays."""
    for name in TABLES:
        for shard in work.glob(f"{name}-*.parquet"):
            shard.unlink()


def _path(folder: Path, table: str, number: int) -> Path:
    return folder / f"{table}-{number:08}.parquet"


def _regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in row groups of GROUP_ROWS, so that a file does not depend on the shard size."""
    waiting = None
    for table in tables:
        waiting = pa.concat_tables([waiting, table]) if waiting else table
        while len(waiting) >= GROUP_ROWS:
            yield waiting[:GROUP_ROWS].combine_chunks()
            waiting = waiting[GROUP_ROWS:]
    if waiting is not None:
        yield waiting.combine_chunks()
