"""Runs the tries of `tests.readers.fuzz` in child processes: a crash is a finding, and names its try."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import ROOT

SECONDS = 1800
"""Wall-clock limit of a child: waiting takes no CPU time."""
MEMORY = Path("/dev/shm")
"""A file system in memory, if there is one."""


def in_a_child(kinds: Sequence[str], first: int, count: int) -> list[dict[str, Any]]:
    """The results of each kind's tries; if the child crashed, the try and its exit status."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.readers.fuzz",
            ",".join(kinds),
            str(first),
            str(count),
            folder,
        ]
        # Decoders print a lot for corrupt images.
        with Path(folder, "output").open("wb") as output:
            env = {**os.environ, "OPENCV_LOG_LEVEL": "OFF"}
            try:
                done = subprocess.run(
                    command, cwd=ROOT, env=env, stdout=output, stderr=output, timeout=SECONDS, check=False
                )
                end = str(done.returncode)
            except subprocess.TimeoutExpired:
                end = "a wait without end"
        if end == "0":
            found: list[dict[str, Any]] = json.loads(Path(folder, "found.json").read_text())
            return found
        place = Path(folder, "try")
        where = place.read_text().strip() if place.exists() else "before the first try"
        last = Path(folder, "output").read_text(errors="replace")[-2000:]
        failure = f"{where}: the process ended with {end}: {last}"
        return [{"kind": kind, "tries": 0, "decoded": 0, "failures": [failure]} for kind in kinds]
