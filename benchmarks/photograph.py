"""Time and memory of scoring one photograph by the command, Python's start included.

    python -m benchmarks.photograph [--model-set released] [--turns 5] [--other CHECKOUT]

A photograph of six drawn faces is scored with the exports in int8 and in float32, and by the code of another checkout
of this project, with its own models, if given. The ways alternate; each runs once before, so that files are cached.
Times are medians; memory is the peak of the process. The last column names the large libraries that the process
imported.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.end_to_end import FACES_PER_PHOTOGRAPH, write_photographs
from benchmarks.scoring import sample_faces
from benchmarks.tables import print_table
from tasks.models.exports import PRECISIONS
from tasks.release.model_sets import GATE_RESULTS

ROOT = Path(__file__).resolve().parents[1]
LARGE = ("tensorflow", "keras", "openvino", "matplotlib", "scipy.stats", "gto", "dvc", "distributed", "prefect")
IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.M)


class Way(NamedTuple):
    """The folder that a command runs in, and the checkout whose code it runs."""

    folder: Path
    code: Path


def settings_for(folder: Path, model_set: str, precision: str) -> Way:
    """Fill a folder with this checkout's settings and a model set that is scored in `precision`."""
    gate_result = GATE_RESULTS[model_set]
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    shutil.copytree(ROOT / gate_result.parent, folder / gate_result.parent)
    content = json.loads((ROOT / gate_result).read_text())
    for model in content["models"].values():
        model["precision"] = precision
    (folder / gate_result).write_text(json.dumps(content))
    return Way(folder, ROOT)


def score(way: Way, photograph: Path, model_set: str, out: Path, *options: str) -> tuple[float, float, str]:
    """Score a photograph; returns seconds, peak memory in MB and what was written to standard error."""
    command = [sys.executable, *options, "-m", "flows", "score", str(photograph), "--model-set", model_set]
    environment = {**os.environ, "PYTHONPATH": str(way.code), "PREFECT_API_URL": ""}
    messages, start, peak_bytes = out.with_suffix(".log"), time.perf_counter(), 0
    with (
        messages.open("w") as stderr,
        subprocess.Popen(
            [*command, "--out", str(out)], cwd=way.folder, env=environment, stdout=subprocess.DEVNULL, stderr=stderr
        ) as process,
    ):
        # The kernel's own maximum counts this process's memory too, from before the command replaced it.
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak_bytes = max(peak_bytes, psutil.Process(process.pid).memory_info().rss)
            time.sleep(0.01)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {messages.read_text()}")
    return seconds, peak_bytes / 1e6, messages.read_text()


def measure(ways: dict[str, Way], photograph: Path, model_set: str, turns: int, folder: Path) -> list[list[str]]:
    """Return a row per way: seconds, seconds relative to the first way, megabytes, large libraries."""
    libraries: dict[str, list[str]] = {}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    megabytes: dict[str, list[float]] = {name: [] for name in ways}
    for number, (name, way) in enumerate(ways.items()):
        messages = score(way, photograph, model_set, folder / f"first {number}", "-X", "importtime")[2]
        found = set(IMPORTED.findall(messages))
        libraries[name] = [library for library in LARGE if library in found]
    for turn in range(turns):
        for number, (name, way) in enumerate(ways.items()):
            one = score(way, photograph, model_set, folder / f"{turn} {number}")
            seconds[name].append(one[0])
            megabytes[name].append(one[1])
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    first = next(iter(medians.values()))
    return [
        [
            name,
            f"{median:.2f} ({min(seconds[name]):.2f} to {max(seconds[name]):.2f})",
            f"{median / first:.2f}",
            f"{max(megabytes[name]):.0f}",
            ", ".join(libraries[name]),
        ]
        for name, median in medians.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model-set", choices=[name for name in GATE_RESULTS if name != "workspace"], default="released"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--other", type=Path, help="another checkout of this project, such as an earlier revision")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photographs, _ = write_photographs(folder, sample_faces(FACES_PER_PHOTOGRAPH))
        ways = {}
        for precision in reversed(PRECISIONS):
            (folder / precision).mkdir()
            ways[precision] = settings_for(folder / precision, options.model_set, precision)
        if options.other:
            other = options.other.resolve()
            ways[other.name] = Way(other, other)
        (photograph,) = photographs.iterdir()
        rows = measure(ways, photograph, options.model_set, options.turns, folder)
    columns = ("way", "s", "relative to int8", "peak MB", "large libraries")
    print_table(f"One photograph of six faces, {options.model_set}", columns, rows)


if __name__ == "__main__":
    main()
