"""Scores shards on Dask workers. They receive everything over the network and share no disk with this machine.

Workers must run the same code: `python -m distributed.cli.dask_worker ADDRESS`, in a checkout of the same commit.
Dask trusts every client that reaches its ports: keep them inside a trusted network.
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
from tasks.models.approved_models import ApprovedModels
from tasks.models.inference_engine import Predictor, make_predictor
from tasks.readers.records import Record, Shard
from tasks.scoring.face_crops import crop_faces
from tasks.scoring.prediction_rows import ModelInfo, Rows, predict_rows

TIMEOUT_SECONDS = 20
QUEUED_SHARDS = 2
"""Queued shards per worker."""
RETRIES = 5
"""Of a shard whose worker died."""


def score_on_dask(
    shards: Iterable[Shard], address: str, approved: ApprovedModels, info: ModelInfo, mode: str, settings: Score
) -> Iterator[tuple[Shard, Rows]]:
    """Each shard with its rows, in order. Raises InputError if no scheduler answers, or it has no worker."""
    try:
        client = Client(address, timeout=TIMEOUT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--dask {address}: no Dask scheduler answers ({error}); start one, or omit --dask") from None
    with client:
        num_workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not num_workers:
            raise InputError(f"--dask {address}: the scheduler has no worker; start one in a checkout of this commit")
        contents = {model_name: path.read_bytes() for model_name, path in approved.paths.items()}
        sent = client.scatter((contents, approved.inference, approved.table_inference), broadcast=True)
        waiting: deque[tuple[Shard, Future]] = deque()
        for shard in shards:
            task = client.submit(
                _score_on_worker, shard.records, sent, info, mode, settings, pure=False, retries=RETRIES
            )
            waiting.append((shard, task))
            if len(waiting) > QUEUED_SHARDS * num_workers:
                yield _next_result(waiting)
        while waiting:
            yield _next_result(waiting)


def _next_result(waiting: deque[tuple[Shard, Future]]) -> tuple[Shard, Rows]:
    shard, task = waiting.popleft()
    return shard, task.result()


def _score_on_worker(records: list[Record], sent: Any, info: ModelInfo, mode: str, settings: Score) -> Rows:
    contents, inference, tables = sent
    predict = _predictor(tuple(contents.items()), tuple(inference.items()), tables)
    crops = crop_faces(records, mode, settings)
    return predict_rows(crops, predict, info, settings)


@lru_cache(maxsize=1)
def _predictor(
    contents: tuple[tuple[str, bytes], ...], inference: tuple[tuple[str, Inference], ...], tables: Inference | None
) -> Predictor:
    with TemporaryDirectory() as folder:
        paths = {model_name: Path(folder) / f"{model_name}.onnx" for model_name, _ in contents}
        for model_name, content in contents:
            paths[model_name].write_bytes(content)
        return make_predictor(paths, dict(inference), tables)
