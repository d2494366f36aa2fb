"""Shards on a Dask cluster: what a worker needs is sent to it, so that it shares no disk with this machine.

Its workers must run the same code: `python -m distributed.cli.dask_worker ADDRESS`, in a checkout of the same commit.
Dask trusts who reaches its ports: keep them inside a network that you trust.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from distributed import Client, Future

from faces.models.tta import Inference
from params import Score
from tasks.common.files import InputError
from tasks.models.approved_models import Judged
from tasks.models.inference_engine import Predictor, predictor_of
from tasks.readers.records import Item, Shard
from tasks.scoring.face_crops import cut_faces
from tasks.scoring.prediction_rows import About, Rows, rows_of

SECONDS = 20
AHEAD = 2
"""Shards that wait for each worker."""
RETRIES = 5
"""Of a shard whose worker died."""


def on_cluster(
    shards: Iterable[Shard], address: str, judged: Judged, networks: About, how: str, settings: Score
) -> Iterator[tuple[Shard, Rows]]:
    """Each shard with its rows, in order. Raises InputError where no scheduler answers, or it has no worker."""
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--dask {address}: no Dask scheduler answers ({error}); start one, or leave it out") from None
    with client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise InputError(f"--dask {address}: the scheduler has no worker; start one in a checkout of this commit")
        contents = {head: path.read_bytes() for head, path in judged.paths.items()}
        sent = client.scatter((contents, judged.inference), broadcast=True)
        waiting: deque[tuple[Shard, Future]] = deque()
        for shard in shards:
            task = client.submit(_on_worker, shard.items, sent, networks, how, settings, pure=False, retries=RETRIES)
            waiting.append((shard, task))
            if len(waiting) > AHEAD * workers:
                yield _done(waiting)
        while waiting:
            yield _done(waiting)


def _done(waiting: deque[tuple[Shard, Future]]) -> tuple[Shard, Rows]:
    shard, task = waiting.popleft()
    return shard, task.result()


def _on_worker(items: list[Item], sent: Any, networks: About, how: str, settings: Score) -> Rows:
    contents, inference = sent
    predict = _engine(tuple(contents.items()), tuple(inference.items()))
    cut = cut_faces(items, how, settings)
    return rows_of(cut, predict(cut.images), networks, settings)


@lru_cache(maxsize=1)
def _engine(contents: tuple[tuple[str, bytes], ...], inference: tuple[tuple[str, Inference], ...]) -> Predictor:
    with TemporaryDirectory() as folder:
        paths = {head: Path(folder) / f"{head}.keras" for head, _ in contents}
        for head, content in contents:
            paths[head].write_bytes(content)
        return predictor_of(paths, dict(inference))
