"""Batch scoring: killed at any moment, and with a million faces."""

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
import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import sha256
from tasks.models.onnx_files import export_float32
from tests.conftest import ROOT
from tests.orchestration.test_stage import wait_for

TINY = """
import json, resource, sys
from pathlib import Path
import params
from faces.models.tta import Inference
from tasks.scoring.batch import score_sources
from tasks.models.approved_models import ApprovedModels

source, out, folder = map(Path, sys.argv[1:])
paths = {model_name: folder / f"{model_name}.onnx" for model_name in ("keypoints", "emotion")}
approved = ApprovedModels(paths, dict.fromkeys(paths, ""), dict.fromkeys(paths, Inference(False)), list("abcde"))
score_sources([str(source)], approved, "tiny", "auto", params.load().score, out)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""
"""Scores with tiny models, whose memory is small beside that of the scoring code, and prints the peak memory in MiB."""


def export_tiny_models(folder: Path) -> None:
    """Export models of a single dense layer."""
    for model_name, size, outputs in (("keypoints", 96, 30), ("emotion", 48, 5)):
        images = keras.Input((size, size), dtype="uint8")
        x = keras.layers.Rescaling(1 / 255)(images)
        x = keras.layers.AveragePooling2D(12)(keras.layers.Reshape((size, size, 1))(x))
        activation = None if model_name == "keypoints" else "softmax"
        x = keras.layers.Dense(outputs, activation=activation)(keras.layers.Flatten()(x))
        x = keras.layers.Reshape((15, 2))(x) if model_name == "keypoints" else x
        export_float32(keras.Model(images, x, name=model_name), folder / f"{model_name}.onnx")


def table_of(num_faces: int, path: Path) -> Path:
    """Write a Parquet table of faces, 500 of them distinct; returns its path."""
    images, _ = draw_faces(np.random.default_rng(1), np.arange(500) % 5, 96, KEYPOINTS_FRAMING)
    encoded = [cv2.imencode(".png", image)[1].tobytes() for image in images]
    schema = pa.schema([("image", pa.binary())])
    with pq.ParquetWriter(path, schema, use_dictionary=True) as writer:
        for start in range(0, num_faces, 10_000):
            some = [encoded[number % 500] for number in range(start, min(start + 10_000, num_faces))]
            writer.write_table(pa.table({"image": some}, schema))
    return path


@pytest.mark.timeout(3000)
def test_a_million_faces_take_no_more_memory_than_a_hundred_thousand(tmp_path: Path) -> None:
    peaks = {}
    for num_faces in (100_000, 1_000_000):
        folder = tmp_path / str(num_faces)
        folder.mkdir()
        source = table_of(num_faces, folder / "faces.parquet")
        export_tiny_models(folder)
        start = time.monotonic()
        command = [sys.executable, "-c", TINY, str(source), str(folder / "out"), str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        peaks[num_faces] = json.loads(done.stdout.splitlines()[-1])
        rows = pq.read_metadata(folder / "out/predictions.parquet").num_rows
        assert rows == num_faces
        print(f"{num_faces:,} faces: {time.monotonic() - start:.0f} s, peak {peaks[num_faces]:.0f} MiB")
    assert peaks[1_000_000] <= 1.1 * peaks[100_000]


@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_ten_times_writes_the_same_tables(tmp_path: Path) -> None:
    source = table_of(10_000, tmp_path / "faces.parquet")
    command = [sys.executable, "-m", "flows", "score", str(source), "--model-set", "released"]

    def start(out: Path) -> subprocess.Popen[bytes]:
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(
            [*command, "--out", str(out)], cwd=ROOT, stdout=nowhere, stderr=nowhere, start_new_session=True
        )

    def complete_shards() -> int:
        return len(list((tmp_path / "out/.shards").glob("predictions-*")))

    assert start(tmp_path / "undisturbed").wait() == 0
    generator, progress = random.Random(7), [0]
    # Kills depend on shards, not on time, so that the machine's load has no effect. A few of 20 shards always remain.
    for more in generator.sample([0, 0, 0, 1, 1, 1, 1, 2, 2, 3], 10):
        run, target = start(tmp_path / "out"), progress[-1] + more
        wait_for(lambda run=run, target=target: complete_shards() >= target or run.poll() is not None)
        time.sleep(generator.uniform(0, 0.3 if more else 5))
        assert run.poll() is None
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        progress.append(complete_shards())
    print(f"complete shards after each kill: {progress}")
    assert progress[-1] > 0
    assert start(tmp_path / "out").wait() == 0
    for name in ("predictions.parquet", "skipped.parquet"):
        assert sha256(tmp_path / "out" / name) == sha256(tmp_path / "undisturbed" / name)


class Cluster:
    """A Dask scheduler on loopback and two workers, each in a separate process."""

    def __init__(self, folder: Path) -> None:
        scheduler_file = folder / "scheduler.json"
        scheduler = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--scheduler-file", str(scheduler_file))
        self.processes = [self.start(*scheduler)]
        wait_for(scheduler_file.exists)
        self.address = json.loads(scheduler_file.read_text())["address"]
        for name in ("one", "two"):
            options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--name", name, "--no-dashboard")
            self.processes.append(self.start("flows", "dask-worker", self.address, *options))
        time.sleep(10)

    def start(self, *module: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *module]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


@pytest.mark.timeout(1200)
def test_dask_writes_the_same_tables_as_one_machine_even_if_a_worker_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    source = table_of(4_000, tmp_path / "faces.parquet")
    command = [sys.executable, "-m", "flows", "score", str(source), "--model-set", "released", "--out"]
    subprocess.run([*command, str(tmp_path / "local")], cwd=ROOT, check=True, capture_output=True)
    on_cluster = ["--dask", cluster.address]
    subprocess.run([*command, str(tmp_path / "dask"), *on_cluster], cwd=ROOT, check=True, capture_output=True)
    work = tmp_path / "lost_worker/.shards"
    with subprocess.Popen([*command, str(work.parent), *on_cluster], cwd=ROOT, stderr=subprocess.DEVNULL) as run:
        wait_for(lambda: len(list(work.glob("predictions-*"))) >= 2, 200)
        cluster.processes[1].kill()
        assert run.poll() is None
        assert run.wait(400) == 0
    for name in ("predictions.parquet", "skipped.parquet"):
        assert len({sha256(tmp_path / out / name) for out in ("local", "dask", "lost_worker")}) == 1


def test_a_missing_scheduler_is_an_error(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), np.full((96, 96), 90, np.uint8))
    command = [sys.executable, "-m", "flows", "score", str(tmp_path / "face.png"), "--model-set", "released"]
    options = ["--out", str(tmp_path / "out"), "--dask", "tcp://127.0.0.1:9"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--dask tcp://127.0.0.1:9: no Dask scheduler" in done.stderr
