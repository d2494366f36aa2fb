"""Measurements in separate processes, so that one does not affect the memory or the loaded modules of the next."""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Return the peak memory of this process, in MiB."""
    # On Linux, `ru_maxrss` includes the memory that the parent process held at the start; VmHWM does not.
    if STATUS.exists() and (peak := re.search(r"^VmHWM:\s*(\d+) kB", STATUS.read_text(), re.M)):
        return int(peak[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measured_apart(module: str, *arguments: str) -> dict:
    """Run `python -m MODULE` and return the JSON that it prints; its standard error is shown."""
    command = [sys.executable, "-m", module, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
