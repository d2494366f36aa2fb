"""Batches as they come: killed at any moment, and a million faces large."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import sha256
from tests.conftest import ROOT
from tests.orchestration.test_stage import wait_for

TINY = """
import json, resource, sys
from pathlib import Path
import keras
import params
from faces.models.tta import Inference
from tasks.scoring.batch import score_sources
from tasks.models.approved_models import Judged
from tasks.models.keras_files import save_network

source, out, folder = map(Path, sys.argv[1:])
paths = {}
for head, size, outputs in (("keypoints", 96, 30), ("emotion", 48, 5)):
    faces = keras.Input((size, size), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(faces)
    x = keras.layers.AveragePooling2D(12)(keras.layers.Reshape((size, size, 1))(x))
    x = keras.layers.Dense(outputs, activation=None if head == "keypoints" else "softmax")(keras.layers.Flatten()(x))
    x = keras.layers.Reshape((15, 2))(x) if head == "keypoints" else x
    paths[head] = folder / f"{head}.keras"
    save_network(keras.Model(faces, x, name=head), paths[head])
judged = Judged(paths, dict.fromkeys(paths, Inference(False)), list("abcde"))
score_sources([str(source)], judged, "tiny", "auto", params.load().score, out)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""
"""Scores with networks of a few weights, and says its peak memory, MiB: what is measured is what is around them."""


def table_of(faces: int, path: Path) -> Path:
    """A Parquet table of so many faces, 500 of them different."""
    drawn, _ = draw_faces(np.random.default_rng(1), np.arange(500) % 5, 96, KEYPOINTS_FRAMING)
    encoded = [cv2.imencode(".png", face)[1].tobytes() for face in drawn]
    schema = pa.schema([("image", pa.binary())])
    with pq.ParquetWriter(path, schema, use_dictionary=True) as writer:
        for start in range(0, faces, 10_000):
            some = [encoded[number % 500] for number in range(start, min(start + 10_000, faces))]
            writer.write_table(pa.table({"image": some}, schema))
    return path


@pytest.mark.timeout(3000)
def test_a_million_faces_take_no_more_memory_than_a_hundred_thousand(tmp_path: Path) -> None:
    peaks = {}
    for faces in (100_000, 1_000_000):
        folder = tmp_path / str(faces)
        folder.mkdir()
        source = table_of(faces, folder / "faces.parquet")
        began = time.monotonic()
        command = [sys.executable, "-c", TINY, str(source), str(folder / "out"), str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        peaks[faces] = json.loads(done.stdout.splitlines()[-1])
        rows = pq.read_metadata(folder / "out/predictions.parquet").num_rows
        assert rows == faces
        print(f"{faces:,} faces: {time.monotonic() - began:.0f} s, peak {peaks[faces]:.0f} MiB")
    assert peaks[1_000_000] <= 1.1 * peaks[100_000]


@pytest.mark.timeout(1800)
def test_a_run_killed_ten_times_gives_the_table_of_one_that_was_not(tmp_path: Path) -> None:
    source = table_of(10_000, tmp_path / "faces.parquet")
    command = [sys.executable, "-m", "flows.score", str(source), "--models", "released"]

    def begun(out: Path) -> subprocess.Popen[bytes]:
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(
            [*command, "--out", str(out)], cwd=ROOT, stdout=nowhere, stderr=nowhere, start_new_session=True
        )

    def whole() -> int:
        return len(list((tmp_path / "out/.shards").glob("predictions-*")))

    assert begun(tmp_path / "whole").wait() == 0
    chance, progress = random.Random(7), [0]
    # By shards and not by time, so that a machine's load decides nothing; of 20 shards, a few are always left.
    for more in chance.sample([0, 0, 0, 1, 1, 1, 1, 2, 2, 3], 10):
        run, target = begun(tmp_path / "out"), progress[-1] + more
        wait_for(lambda run=run, target=target: whole() >= target or run.poll() is not None)
        time.sleep(chance.uniform(0, 0.3 if more else 5))
        assert run.poll() is None
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        progress.append(whole())
    print(f"shards whole after each kill: {progress}")
    assert progress[-1] > 0
    assert begun(tmp_path / "out").wait() == 0
    for name in ("predictions.parquet", "skipped.parquet"):
        assert sha256(tmp_path / "out" / name) == sha256(tmp_path / "whole" / name)


class Cluster:
    """A Dask scheduler on loopback and two workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        about = folder / "scheduler.json"
        self.processes = [self.begin("dask_scheduler", "--host", "127.0.0.1", "--scheduler-file", str(about))]
        wait_for(about.exists)
        self.address = json.loads(about.read_text())["address"]
        for name in ("one", "two"):
            options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--name", name, "--no-dashboard")
            self.processes.append(self.begin("dask_worker", self.address, *options))
        time.sleep(10)

    def begin(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{kind}", *options]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.end()


@pytest.mark.timeout(1200)
def test_a_cluster_gives_the_table_of_one_machine_and_may_lose_a_worker(cluster: Cluster, tmp_path: Path) -> None:
    source = table_of(4_000, tmp_path / "faces.parquet")
    command = [sys.executable, "-m", "flows.score", str(source), "--models", "released", "--out"]
    subprocess.run([*command, str(tmp_path / "here")], cwd=ROOT, check=True, capture_output=True)
    on_cluster = ["--dask", cluster.address]
    subprocess.run([*command, str(tmp_path / "there"), *on_cluster], cwd=ROOT, check=True, capture_output=True)
    work = tmp_path / "robbed/.shards"
    with subprocess.Popen([*command, str(work.parent), *on_cluster], cwd=ROOT, stderr=subprocess.DEVNULL) as run:
        wait_for(lambda: len(list(work.glob("predictions-*"))) >= 2, 200)
        cluster.processes[1].kill()
        assert run.poll() is None
        assert run.wait(400) == 0
    for name in ("predictions.parquet", "skipped.parquet"):
        assert len({sha256(tmp_path / out / name) for out in ("here", "there", "robbed")}) == 1


def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), np.full((96, 96), 90, np.uint8))
    command = [sys.executable, "-m", "flows.score", str(tmp_path / "face.png"), "--models", "released"]
    options = ["--out", str(tmp_path / "out"), "--dask", "tcp://127.0.0.1:9"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--dask tcp://127.0.0.1:9: no Dask scheduler answers" in done.stderr
