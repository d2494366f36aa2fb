"""Scores sources of any kind and number: shard by shard, each written whole, so that a kill costs one of them."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from params import Score
from tasks.cut import Cut, cut_faces
from tasks.detector import finder_of
from tasks.engine import Predictor, predictor_of
from tasks.files import InputError, replacing, sha256
from tasks.items import Shard, count_items, shards_of
from tasks.judged import Judged
from tasks.orchestration import Progress, log, task
from tasks.shard import About, Rows, about, rows_of
from tasks.sources import is_remote

WORK, MANIFEST = ".shards", "manifest.json"
"""Where, in its output, a run that is not done keeps its shards, and what it was asked."""
GROUP_ROWS = 16_384
ITEM = ["source", "row"]


@task
def score_sources(
    sources: Sequence[str], judged: Judged, version: str, how: str, settings: Score, out: Path, dask: str = ""
) -> Path:
    """Write `predictions.parquet`, a row a face, and `skipped.parquet`, a row a source or a table's row without one.

    `version` names the networks in the table; `how` is `cut_faces`'s; `dask` is the address of a scheduler whose
    workers score, or empty for this machine. A run that was killed goes on from its last whole shard, if it is asked
    the same again. Raises InputError where `out` holds anything else, or the detector is not to be had.
    """
    finder_of(settings)  # refused before anything is begun
    work, networks = _begun(out, _asked(sources, judged, version, how, settings)), about(judged, version)
    counts, progress, began = list(map(count_items, sources)), Progress("scoring", "sources scored"), time.monotonic()
    counted = _Counted(shards_of(sources, settings.shard_items), work)
    if dask:
        from tasks.cluster import on_cluster

        scored = on_cluster(counted, dask, judged, networks, how, settings)
    else:
        scored = _here(counted, predictor_of(judged.paths, judged.inference), networks, how, settings)
    new = 0
    for shard, rows in scored:
        _keep(rows, work, shard.number)
        new += len(shard.items)
        done, rate, total = counted.found + new, new / (time.monotonic() - began), sum(counts)
        if all(counts):
            log(f"{done:,} of {total:,} scored · {rate:.0f}/s · {max(total - done, 0) / rate:.0f} s left")
            progress.update(min(done / total, 1))
        else:
            log(f"{done:,} scored, of a number that is not known yet · {rate:.0f}/s")
    rows_in = _finish(work, out, counted.items)
    log(f"{out}: {rows_in['predictions']:,} faces, {rows_in['skipped']:,} sources or rows without one")
    return out / "predictions.parquet"


class _Counted:
    """The shards that have yet to be scored; counts `items` of all, and of those `found` scored."""

    def __init__(self, shards: Iterator[Shard], work: Path) -> None:
        self.items = self.found = 0
        self._shards, self._work = shards, work

    def __iter__(self) -> Iterator[Shard]:
        for shard in self._shards:
            self.items += len(shard.items)
            # Written last, so whoever is there is whole.
            if _path(self._work, "predictions", shard.number).exists():
                self.found += len(shard.items)
            else:
                yield shard


def _asked(sources: Sequence[str], judged: Judged, version: str, how: str, settings: Score) -> dict[str, Any]:
    """What a run must have in common with one that it goes on from."""
    listed = hashlib.sha256()
    for source in sources:
        path = Path(source)
        about = (path.stat().st_size, path.stat().st_mtime_ns) if not is_remote(source) and path.exists() else None
        listed.update(f"{source}\0{about}\0".encode(errors="surrogateescape"))
    return {
        "sources": listed.hexdigest(),
        "networks": {head: sha256(path) for head, path in judged.paths.items()},
        "inference": {head: list(how_used) for head, how_used in judged.inference.items()},
        "version": version,
        "faces": how,
        "settings": settings.model_dump(mode="json"),
    }


def _begun(out: Path, asked: dict[str, Any]) -> Path:
    """The folder of the shards, of a run that is taken up or of a new one."""
    work = out / WORK
    if (work / MANIFEST).exists():
        if json.loads((work / MANIFEST).read_text()) != asked:
            raise InputError(f"{out}: a run that was asked otherwise stopped there; name another folder, or remove it")
        return work
    if out.exists() and any(path.name != WORK for path in out.iterdir()):
        raise InputError(f"{out}: is there already; name another folder, or remove it")
    with replacing(work / MANIFEST) as temporary:
        temporary.write_text(json.dumps(asked, indent=1))
    return work


def _here(
    shards: Iterable[Shard], predict: Predictor, networks: About, how: str, settings: Score
) -> Iterator[tuple[Shard, Rows]]:
    """Each shard with its rows; its faces are cut out while those of the one before are judged."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: tuple[Shard, Future[Cut]] | None = None
        for shard in chain(shards, [None]):
            begun = (shard, pool.submit(cut_faces, shard.items, how, settings)) if shard else None
            if waiting:
                cut = waiting[1].result()
                yield waiting[0], rows_of(cut, predict(cut.images), networks, settings)
            waiting = begun


def _path(folder: Path, table: str, number: int) -> Path:
    return folder / f"{table}-{number:08}.parquet"


def _keep(rows: Rows, work: Path, number: int) -> None:
    for name, table in (("skipped", rows.skipped), ("predictions", rows.predictions)):
        with replacing(_path(work, name, number)) as temporary:
            pq.write_table(table, temporary)


def _finish(work: Path, out: Path, items: int) -> dict[str, int]:
    """Join the shards, few rows in memory at a time, and remove them; how many rows each table has.

    Raises InputError where an item is in neither table.
    """
    parts = {name: sorted(work.glob(f"{name}-*.parquet")) for name in ("skipped", "predictions")}
    every = chain.from_iterable(parts.values())
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
    shutil.rmtree(work)
    return rows


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
