"""End-to-end time of the scoring command: from a CSV, crops and photographs; by one and two Dask workers."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
SIDE, SCENE, FACES_PER_PHOTOGRAPH = 160, (620, 900), 60
CORNERS = ((20, 30), (300, 60), (600, 20), (60, 380), (350, 330), (650, 340))


def write_csv(folder: Path, images: np.ndarray) -> tuple[Path, int]:
    """Write a raw emotion table of images (N, H, W) uint8; returns its path and the number of faces."""
    texts = [" ".join(map(str, image.ravel())) for image in resize_images(images, SIZES["emotion"])]
    pd.DataFrame({"emotion": 0, "pixels": texts}).to_csv(folder / "faces.csv", index=False)
    return folder / "faces.csv", len(images)


def write_crops(folder: Path, images: np.ndarray) -> tuple[Path, int]:
    """Write a folder with one image file per face; returns its path and the number of faces."""
    crops = folder / "crops"
    crops.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(crops / f"{number:06}.png"), image)
    return crops, len(images)


def write_photographs(folder: Path, images: np.ndarray) -> tuple[Path, int]:
    """Write a folder of photographs of six faces, one per FACES_PER_PHOTOGRAPH images; returns path and face count."""
    photographs, count = folder / "photographs", len(images) // FACES_PER_PHOTOGRAPH
    photographs.mkdir()
    for number in range(count):
        scene = np.full(SCENE, 150, np.uint8)
        for place, (x, y) in enumerate(CORNERS):
            face = images[(len(CORNERS) * number + place) % len(images)]
            scene[y : y + SIDE, x : x + SIDE] = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(photographs / f"{number:06}.jpg"), scene)
    return photographs, count * len(CORNERS)


INPUTS: dict[str, Callable[[Path, np.ndarray], tuple[Path, int]]] = {
    "a CSV": write_csv,
    "a folder of crops": write_crops,
    "photographs of six": write_photographs,
}


def end_to_end(
    folder: Path,
    images: np.ndarray,
    model_set: str,
    kinds: Sequence[str] = tuple(INPUTS),
    workers: Sequence[int] = (1, 2),
) -> list[list[str]]:
    """Return a row per kind of input, and, for the first kind, a row per number of workers; times include imports."""
    inputs = {kind: INPUTS[kind](folder, images) for kind in kinds}
    rows = [scored(kind, source, count, folder, model_set) for kind, (source, count) in inputs.items()]
    kind, (source, count) = next(iter(inputs.items()))
    for number in workers:
        with cluster(folder / f"scheduler-{number}.json", number) as address:
            rows.append(scored(f"{kind}, Dask, {number}", source, count, folder, model_set, "--dask", address))
    return rows


@contextmanager
def cluster(scheduler_file: Path, workers: int) -> Iterator[str]:
    """Start a Dask scheduler and single-threaded workers, each in a process; yields the scheduler's address."""
    local = ("--host", "127.0.0.1")
    with ExitStack() as stack:

        def start(*module: str) -> None:
            command = [sys.executable, "-m", *module, *local]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)

        start("distributed.cli.dask_scheduler", "--scheduler-file", str(scheduler_file))
        address = ""
        for _ in range(10 * START_SECONDS):
            time.sleep(0.1)
            # Dask writes the file in place, so it may be incomplete.
            with suppress(FileNotFoundError, json.JSONDecodeError):
                address = str(json.loads(scheduler_file.read_text())["address"])
                break
        else:
            raise SystemExit("the Dask scheduler did not start")
        for _ in range(workers):
            start("flows", "dask-worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        with Client(address) as client:
            client.wait_for_workers(workers, timeout=START_SECONDS)
        yield address


def scored(name: str, source: Path, count: int, folder: Path, model_set: str, *options: str) -> list[str]:
    """Score a source by the command; returns a row with faces, seconds, faces per second and peak memory in MB."""
    out = folder / f"scored {name}"
    command = [
        sys.executable,
        "-m",
        "flows",
        "score",
        str(source),
        "--model-set",
        model_set,
        "--out",
        str(out),
        *options,
    ]
    start, peak_bytes = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                peak_bytes = max(peak_bytes, psutil.Process(process.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    scored_faces = len(pd.read_parquet(out / "predictions.parquet", columns=["face"]))
    rate = f"{scored_faces / seconds:.0f}"
    return [name, f"{scored_faces} of {count}", f"{seconds:.1f}", rate, f"{peak_bytes / 1e6:.0f}"]
