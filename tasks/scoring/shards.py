"""The shards of a batch on disk: each written whole, then joined into the two tables."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.common.files import InputError, replacing
from tasks.scoring.prediction_rows import Rows

WORK, MANIFEST = ".shards", "manifest.json"
"""Where, in its output, a run that is not done keeps its shards, and what it was asked."""
TABLES = ("skipped", "predictions")
GROUP_ROWS = 16_384
ITEM = ["source", "row"]


def is_scored(work: Path, number: int) -> bool:
    """Whether a shard is whole."""
    # Written last.
    return _path(work, "predictions", number).exists()


def keep_shard(rows: Rows, work: Path, number: int) -> None:
    """Write the rows of a shard."""
    for name, table in (("skipped", rows.skipped), ("predictions", rows.predictions)):
        with replacing(_path(work, name, number)) as temporary:
            pq.write_table(table, temporary)


def is_joined(out: Path) -> bool:
    """Whether both tables are whole: nothing is left to score."""
    return all((out / f"{name}.parquet").exists() for name in TABLES)


def join_shards(work: Path, out: Path, items: int) -> dict[str, int]:
    """Write both tables, few rows in memory at a time; how many rows each has. The shards stay until both are there.

    Raises InputError where an item is in neither table.
    """
    parts = {name: sorted(work.glob(f"{name}-*.parquet")) for name in TABLES}
    every = list(chain.from_iterable(parts.values()))
    # No item is in two shards.
    told = sum(len(pq.read_table(part, columns=ITEM).group_by(ITEM).aggregate([])) for part in every)
    if told != items:
        raise InputError(f"{out}: {items} sources and rows went in, {told} came out; remove {work} and score them anew")
    rows = {}
    for name, files in parts.items():
        with (
            replacing(out / f"{name}.parquet") as temporary,
            pq.ParquetWriter(temporary, pq.read_schema(files[0])) as writer,
        ):
            for table in _regrouped(map(pq.read_table, files)):
                writer.write_table(table)
        rows[name] = pq.read_metadata(out / f"{name}.parquet").num_rows
    return rows


def remove_shards(work: Path) -> None:
    """Remove the shards, and nothing else."""
    for name in TABLES:
        for part in work.glob(f"{name}-*.parquet"):
            part.unlink()


def _path(folder: Path, table: str, number: int) -> Path:
    return folder / f"{table}-{number:08}.parquet"


def _regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in groups of one size, so that a file does not depend on how its rows came."""
    waiting = None
    for table in tables:
        waiting = pa.concat_tables([waiting, table]) if waiting else table
        while len(waiting) >= GROUP_ROWS:
            yield waiting[:GROUP_ROWS].combine_chunks()
            waiting = waiting[GROUP_ROWS:]
    if waiting is not None:
        yield waiting.combine_chunks()
