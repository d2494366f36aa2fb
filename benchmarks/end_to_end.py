"""Scoring by the command, everything included: from a CSV, crops, photographs; by one and two Dask workers."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
from distributed import Client

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES

START_SECONDS = 60
SIDE, SCENE = 160, (620, 900)
CORNERS = ((20, 30), (300, 60), (600, 20), (60, 380), (350, 330), (650, 340))


def inputs(folder: Path, faces: np.ndarray) -> dict[str, tuple[Path, int]]:
    """Files to score, and how many faces they hold."""
    small = resize_images(faces, SIZES["emotion"])
    texts = [" ".join(map(str, face.ravel())) for face in small]
    pd.DataFrame({"emotion": 0, "pixels": texts}).to_csv(folder / "faces.csv", index=False)
    crops, scenes = folder / "crops", folder / "photographs"
    crops.mkdir()
    scenes.mkdir()
    for number, face in enumerate(faces):
        cv2.imwrite(str(crops / f"{number:06}.png"), face)
    for number in range(len(faces) // 60):
        scene = np.full(SCENE, 150, np.uint8)
        for place, (left, top) in enumerate(CORNERS):
            face = faces[(6 * number + place) % len(faces)]
            scene[top : top + SIDE, left : left + SIDE] = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(scenes / f"{number:06}.jpg"), scene)
    return {
        "a CSV": (folder / "faces.csv", len(faces)),
        "a folder of crops": (crops, len(faces)),
        "photographs of six": (scenes, len(faces) // 60 * 6),
    }


def end_to_end(folder: Path, faces: np.ndarray, models: str) -> list[list[str]]:
    """A row a kind of input, and one a number of workers: everything, the start of Python too."""
    given = inputs(folder, faces)
    rows = [scored(name, source, count, folder, models) for name, (source, count) in given.items()]
    name, (source, count) = next(iter(given.items()))
    for workers in (1, 2):
        with cluster(folder / f"scheduler-{workers}.json", workers) as address:
            rows.append(scored(f"{name}, Dask, {workers}", source, count, folder, models, "--dask", address))
    return rows


@contextmanager
def cluster(about: Path, workers: int) -> Iterator[str]:
    """The address of a Dask scheduler with so many workers of one thread, in processes of their own."""
    local = ("--host", "127.0.0.1")
    with ExitStack() as stack:

        def begin(kind: str, *options: str) -> None:
            command = [sys.executable, "-m", f"distributed.cli.{kind}", *local, *options]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)

        begin("dask_scheduler", "--scheduler-file", str(about))
        address = ""
        for _ in range(10 * START_SECONDS):
            time.sleep(0.1)
            # Dask writes it in place.
            with suppress(FileNotFoundError, json.JSONDecodeError):
                address = str(json.loads(about.read_text())["address"])
                break
        else:
            raise SystemExit("no Dask scheduler began")
        for _ in range(workers):
            begin("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        with Client(address) as client:
            client.wait_for_workers(workers, timeout=START_SECONDS)
        yield address


def scored(name: str, source: Path, count: int, folder: Path, models: str, *options: str) -> list[str]:
    """A row on scoring a source by the command."""
    out = folder / f"scored {name}"
    command = [sys.executable, "-m", "flows.score", str(source), "--models", models, "--out", str(out), *options]
    began, most = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                most = max(most, psutil.Process(process.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
    taken = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    found = len(pd.read_parquet(out / "predictions.parquet", columns=["face"]))
    return [name, f"{found} of {count}", f"{taken:.1f}", f"{found / taken:.0f}", f"{most / 1e6:.0f}"]
