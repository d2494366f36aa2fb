"""Videos: killed at any moment, and an hour long."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from tasks.common.files import sha256
from tests.acceptance.test_scoring import export_tiny_models
from tests.clips import FACE, faces
from tests.conftest import ROOT
from tests.orchestration.test_stage import wait_for

WIDTH, HEIGHT = 160, 120
MORE_MIB = 60
"""By which the second half of an hour may need more memory than the first: noise of the allocator, not a frame each."""
TINY = """
import sys
from pathlib import Path
import params
from faces.models.tta import Inference
from tasks.models.approved_models import ApprovedModels
from tasks.scoring.batch import score_sources

source, out, folder = map(Path, sys.argv[1:])
paths = {model_name: folder / f"{model_name}.onnx" for model_name in ("keypoints", "emotion")}
approved = ApprovedModels(paths, dict.fromkeys(paths, ""), dict.fromkeys(paths, Inference(False)), list("abcde"))
settings = params.load().score.model_copy(update={"shard_size": 64})
score_sources([str(source)], approved, "tiny", "auto", settings, out)
"""


def film(path: Path, num_frames: int, fps: int) -> Path:
    """Write a face that moves to and fro."""
    face = faces(1)[0]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(num_frames):
            picture = np.full((HEIGHT, WIDTH), 150, np.uint8)
            left = abs(number % (2 * (WIDTH - FACE)) - (WIDTH - FACE))
            picture[28 : 28 + FACE, left : left + FACE] = face
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def start(source: Path, out: Path, models: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", TINY, str(source), str(out), str(models)]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, stdout=nowhere, stderr=nowhere, start_new_session=True)


def complete_shards(out: Path) -> int:
    return len(list((out / ".shards").glob("predictions-*.parquet")))


@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_five_times_writes_the_same_tables(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 1500, 25)
    export_tiny_models(tmp_path)
    assert start(source, tmp_path / "undisturbed", tmp_path).wait() == 0
    generator, progress = random.Random(7), [0]
    for more in (0, 2, 3, 4, 5):
        run, target = start(source, tmp_path / "out", tmp_path), progress[-1] + more
        wait_for(lambda run=run, target=target: complete_shards(tmp_path / "out") >= target or run.poll() is not None)
        time.sleep(generator.uniform(0, 0.5 if more else 4))
        assert run.poll() is None
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        progress.append(complete_shards(tmp_path / "out"))
    print(f"complete shards after each kill: {progress}")
    assert progress[-1] > 10
    assert start(source, tmp_path / "out", tmp_path).wait() == 0
    for name in ("predictions.parquet", "skipped.parquet"):
        assert sha256(tmp_path / "out" / name) == sha256(tmp_path / "undisturbed" / name)
    assert decoders() == []


def decoders() -> list[int]:
    """The processes that decode a video now; one whose reader was killed ends with its next frame."""
    found = [one.info for one in psutil.process_iter(["pid", "cmdline"])]
    return [one["pid"] for one in found if "tasks.video.decoder" in " ".join(one["cmdline"] or [])]


def sizes(run: subprocess.Popen[bytes], out: Path) -> Iterator[tuple[int, float]]:
    """The number of complete shards and the memory of a run in MiB, with its decoder, until it ends."""
    process = psutil.Process(run.pid)
    while run.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            yield complete_shards(out), sum(one.memory_info().rss for one in family) / 2**20
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.2)


@pytest.mark.timeout(3000)
def test_an_hour_takes_no_more_memory_in_its_second_half(tmp_path: Path) -> None:
    num_frames = 3600 * 5
    source = film(tmp_path / "hour.mp4", num_frames, 5)
    export_tiny_models(tmp_path)
    started = time.monotonic()
    run = start(source, tmp_path / "out", tmp_path)
    measured = list(sizes(run, tmp_path / "out"))
    assert run.wait() == 0
    middle = num_frames // 64 // 2
    halves = [max(size for shards, size in measured if (shards > middle) == second) for second in (False, True)]
    print(f"{num_frames:,} frames: {time.monotonic() - started:.0f} s, peaks of the halves {halves} MiB")
    assert halves[1] <= halves[0] + MORE_MIB
    table = pq.read_table(tmp_path / "out/predictions.parquet", columns=["frame", "time_s", "track"]).to_pandas()
    skipped = pq.read_metadata(tmp_path / "out/skipped.parquet").num_rows
    assert table["frame"].nunique() + skipped == num_frames
    assert table["time_s"].max() == pytest.approx(3600, abs=2)
    assert table["track"].max() < num_frames / 100
