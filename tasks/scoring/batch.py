"""Scores sources of any kind and number, shard by shard; a run that is killed loses at most the current shard."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from params import Score
from tasks.models.approved_models import ApprovedModels
from tasks.models.inference_engine import Predictor, make_predictor
from tasks.orchestration.artifacts import Progress, counted, log
from tasks.orchestration.decorators import task
from tasks.readers.records import Shard, count_records, shards_of
from tasks.scoring.centerface_network import photographs_at_once
from tasks.scoring.face_crops import Crops, crop_faces
from tasks.scoring.face_detector import make_detector
from tasks.scoring.prediction_rows import ModelInfo, Rows, model_info, predict_rows
from tasks.scoring.run_folder import begin_run, begin_stage_run, clear_output, run_fingerprint
from tasks.scoring.shards import is_joined, is_scored, join_shards, remove_shards, write_shard
from tasks.video.frames import FrameOptions
from tasks.video.track_table import Tracking


@task
def score_sources(
    sources: Sequence[str],
    approved: ApprovedModels,
    version: str,
    mode: str,
    settings: Score,
    out: Path,
    dask: str = "",
    shards_folder: Path | None = None,
    predict: Predictor | None = None,
    fps: float | None = None,
) -> Path:
    """Write `predictions.parquet`, one row per face, and `skipped.parquet`, one row per record without a face.

    `version` names the models in the table; `mode` is that of `crop_faces`; `dask` is the address of a scheduler whose
    workers score, or empty for this machine; `fps`: of videos only the frames nearest to such a time grid. A run that
    was interrupted resumes after its last complete shard if it is started with the same arguments. If both tables
    exist, nothing is scored. Until `finish_run`, `out` belongs to an unfinished run. Raises InputError if `out` holds
    anything else, or the detector is not available.

    `shards_folder` is for an `out` that DVC tracks: a folder outside it for the shards. `out` then stays unchanged
    until everything is scored, and is replaced as a whole; raises InputError if no face was found. `predict` runs the
    approved models if the caller has loaded them already.
    """
    make_detector(settings)  # raises before anything is written
    fingerprint = run_fingerprint(sources, approved, version, mode, settings, fps)
    info = model_info(approved, version)
    work = begin_stage_run(shards_folder, fingerprint) if shards_folder else begin_run(out, fingerprint)
    # Tables in a folder that DVC tracks may be of another run.
    if not shards_folder and is_joined(out):
        log(f"{out}: both tables exist already; continuing with the steps that follow")
        return out / "predictions.parquet"
    pending = _PendingShards(sources, settings.shard_size, work, FrameOptions(settings.max_image_pixels, fps))
    if dask:
        from tasks.scoring.dask_backend import score_on_dask

        scored = score_on_dask(pending, dask, approved, info, mode, settings)
    else:
        predict = predict or make_predictor(approved.paths, approved.inference, approved.table_inference)
        scored = score_here(pending, predict, info, mode, settings)
    _write_each(scored, work, pending)
    if shards_folder:
        clear_output(out, work)
    tracking = Tracking(settings.video, fps) if fingerprint["videos"] else None
    num_rows = join_shards(work, out, pending.num_records, tracking)
    if not shards_folder:
        remove_shards(work)
    nouns = ("image, row or frame", "images, rows and frames") if tracking else ("image or row", "images and rows")
    records = counted(pending.num_records, *nouns)
    log(
        f"{out}: {records} of {counted(len(sources), 'source')}: "
        f"{counted(num_rows['predictions'], 'face')} in {pending.num_records - num_rows['skipped']:,} of them, "
        f"{num_rows['skipped']:,} without a face"
    )
    return out / "predictions.parquet"


class _PendingShards:
    """The shards that are not scored yet. Counts all records, and those that an earlier run scored.

    `counts` are the records of each source, 0 = unknown: expected ones until the source is read to its end.
    """

    def __init__(self, sources: Sequence[str], size: int, work: Path, frames: FrameOptions) -> None:
        self.num_records = self.num_scored = 0
        self.counts = [count_records(source, frames.fps) for source in sources]
        self._shards, self._work = shards_of(sources, size, self.counts.__setitem__, frames), work

    def __iter__(self) -> Iterator[Shard]:
        for shard in self._shards:
            self.num_records += len(shard.records)
            if is_scored(self._work, shard.number):
                self.num_scored += len(shard.records)
            else:
                yield shard


def _write_each(scored: Iterable[tuple[Shard, Rows]], work: Path, pending: _PendingShards) -> None:
    """Write shards as they come and log the progress."""
    new, progress, started = 0, Progress("scoring", "sources scored"), time.monotonic()
    for shard, rows in scored:
        write_shard(rows, work, shard.number)
        new += len(shard.records)
        done, rate = pending.num_scored + new, new / (time.monotonic() - started)
        total = sum(pending.counts)
        if all(pending.counts):
            log(f"{done:,} of {total:,} scored · {rate:.0f}/s · {max(total - done, 0) / rate:.0f} s left")
            progress.update(min(done / total, 1))
        else:
            log(f"{done:,} scored, total unknown · {rate:.0f}/s")


def score_here(
    shards: Iterable[Shard], predict: Predictor, info: ModelInfo, mode: str, settings: Score
) -> Iterator[tuple[Shard, Rows]]:
    """Each shard with its rows.

    The faces of a shard are cropped, several photographs at a time, while the models run on the shard before it.
    """
    with ThreadPoolExecutor(photographs_at_once()) as pool, ThreadPoolExecutor(max_workers=1) as ahead:
        waiting: tuple[Shard, Future[Crops]] | None = None
        for shard in chain(shards, [None]):
            submitted = (shard, ahead.submit(crop_faces, shard.records, mode, settings, pool)) if shard else None
            if waiting:
                crops = waiting[1].result()
                yield waiting[0], predict_rows(crops, predict, info, settings)
            waiting = submitted
