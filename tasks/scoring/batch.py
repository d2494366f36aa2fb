"""Scores sources of any kind and number: shard by shard, each written whole, so that a kill costs one of them."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from params import Score
from tasks.common.files import (
    InputError,
    forget_temporaries,
    ignored_by_git,
    ignores_itself,
    readable,
    replacing,
    sha256,
)
from tasks.models.approved_models import Judged
from tasks.models.inference_engine import Predictor, predictor_of
from tasks.orchestration.api import Progress, log, task
from tasks.readers.records import Shard, count_items, shards_of
from tasks.readers.sources import is_remote
from tasks.scoring.face_crops import Cut, cut_faces
from tasks.scoring.face_detector import finder_of
from tasks.scoring.prediction_rows import About, Rows, about, rows_of
from tasks.scoring.shards import MANIFEST, WORK, is_joined, is_scored, join_shards, keep_shard, remove_shards


@task
def score_sources(
    sources: Sequence[str], judged: Judged, version: str, how: str, settings: Score, out: Path, dask: str = ""
) -> Path:
    """Write `predictions.parquet`, a row a face, and `skipped.parquet`, a row a source or a table's row without one.

    `version` names the networks in the table; `how` is `cut_faces`'s; `dask` is the address of a scheduler whose
    workers score, or empty for this machine. A run that was killed goes on from its last whole shard, if it is asked
    the same again; where both tables are there, nothing is scored. Until `finish_run`, `out` is of a run that goes on.
    Raises InputError where `out` holds anything else, or the detector is not to be had.
    """
    finder_of(settings)  # refused before anything is begun
    work, networks = _begun(out, _asked(sources, judged, version, how, settings)), about(judged, version)
    if is_joined(out):
        log(f"{out}: both tables are there already; going on with what comes after them")
        return out / "predictions.parquet"
    counts, progress, began = list(map(count_items, sources)), Progress("scoring", "sources scored"), time.monotonic()
    counted = _Counted(shards_of(sources, settings.shard_items), work)
    if dask:
        from tasks.scoring.dask_backend import on_cluster

        scored = on_cluster(counted, dask, judged, networks, how, settings)
    else:
        scored = _here(counted, predictor_of(judged.paths, judged.inference), networks, how, settings)
    new = 0
    for shard, rows in scored:
        keep_shard(rows, work, shard.number)
        new += len(shard.items)
        done, rate, total = counted.found + new, new / (time.monotonic() - began), sum(counts)
        if all(counts):
            log(f"{done:,} of {total:,} scored · {rate:.0f}/s · {max(total - done, 0) / rate:.0f} s left")
            progress.update(min(done / total, 1))
        else:
            log(f"{done:,} scored, of a number that is not known yet · {rate:.0f}/s")
    rows_in = join_shards(work, out, counted.items)
    remove_shards(work)
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
            if is_scored(self._work, shard.number):
                self.found += len(shard.items)
            else:
                yield shard


def _asked(sources: Sequence[str], judged: Judged, version: str, how: str, settings: Score) -> dict[str, Any]:
    """What a run must have in common with one that it goes on from."""
    listed = hashlib.sha256()
    for source in sources:
        about = None
        if not is_remote(source):
            with suppress(OSError):  # a file may vanish at any time
                found = os.stat(source)
                about = (found.st_size, found.st_mtime_ns)
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
    kept = manifest_of(out)
    if kept is not None:
        if changed := [name for name, value in asked.items() if kept.get(name) != value]:
            what = f"a run that was asked otherwise stopped there (other {', '.join(changed)})"
            raise InputError(f"{out}: {what}; name another folder, or remove it")
        ignored_by_git(out)
        return work
    if readable(str(out)) != str(out):
        raise InputError(f"{out}: the name is not UTF-8, as tables need it; name another folder")
    if os.path.lexists(out) and not out.is_dir():
        raise InputError(f"{out}: is no folder; name another")
    try:
        if _holds_more(out):
            raise InputError(f"{out}: is there already; name another folder, or remove it")
        ignored_by_git(out)
        with replacing(work / MANIFEST) as temporary:
            temporary.write_text(json.dumps(asked, indent=1))
    except OSError as error:
        raise InputError(f"{out}: cannot be written into ({error.strerror}); name another folder") from None
    return work


def manifest_of(out: Path) -> dict[str, Any] | None:
    """What the run that has not finished in `out` was asked; None where there is no such run."""
    try:
        return dict(json.loads((out / WORK / MANIFEST).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}


def _holds_more(out: Path) -> bool:
    return out.exists() and any(path.name != WORK and not ignores_itself(path) for path in out.iterdir())


def goes_on(sources: Sequence[str], judged: Judged, version: str, how: str, settings: Score, out: Path) -> bool:
    """Whether `score_sources` of the same would not refuse `out`."""
    kept = manifest_of(out)
    return not _holds_more(out) if kept is None else kept == _asked(sources, judged, version, how, settings)


@task
def finish_run(out: Path) -> None:
    """Remove what a run in `out` is gone on with: all that was asked of it is there. What it is asked goes last."""
    for folder in (out, out / "pictures"):
        forget_temporaries(folder)
    remove_shards(out / WORK)
    if (out / WORK).exists():
        shutil.rmtree(out / WORK)


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
