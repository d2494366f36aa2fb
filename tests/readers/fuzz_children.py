"""Makes the tries of `tests.readers.fuzz` in processes of their own: a crash is a finding, and names its try."""

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
"""Of a child, by the clock: what waits uses no processor."""
MEMORY = Path("/dev/shm")
"""Where a file costs nothing, if there is such a place."""


def in_a_child(kinds: Sequence[str], first: int, count: int) -> list[dict[str, Any]]:
    """What each kind's tries found; of a child that ended before its time, the try and how it ended."""
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
        # Decoders of damaged pictures say a great deal.
        with Path(folder, "said").open("wb") as said:
            env = {**os.environ, "OPENCV_LOG_LEVEL": "OFF"}
            try:
                done = subprocess.run(
                    command, cwd=ROOT, env=env, stdout=said, stderr=said, timeout=SECONDS, check=False
                )
                end = str(done.returncode)
            except subprocess.TimeoutExpired:
                end = "a wait without end"
        if end == "0":
            found: list[dict[str, Any]] = json.loads(Path(folder, "found.json").read_text())
            return found
        place = Path(folder, "try")
        where = place.read_text().strip() if place.exists() else "before the first try"
        last = Path(folder, "said").read_text(errors="replace")[-2000:]
        failure = f"{where}: the process ended with {end}: {last}"
        return [{"kind": kind, "tries": 0, "decoded": 0, "failures": [failure]} for kind in kinds]
