"""Processes that outlive the command that started them, and the records by which they are found and ended.

A process, its log and its record share a name in `.prefect/`, which git ignores.
"""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil

from tasks.common.files import replacing

HOME = Path(".prefect")
SAME_START_SECONDS = 5


def start(name: str, command: list[str], environment: dict[str, str], **about: str | bool) -> psutil.Process:
    """Start a process in a session of its own, and record it with what else is to be known `about` it."""
    HOME.mkdir(exist_ok=True)
    with log_of(name).open("ab") as log:
        # A session of its own: it outlives this terminal and holds none of its pipes.
        begun = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    process = psutil.Process(begun.pid)
    with replacing(_record_of(name)) as temporary:
        temporary.write_text(json.dumps({"pid": process.pid, "started": process.create_time(), **about}))
    return process


def record(name: str) -> dict[str, Any]:
    """What `start` wrote; empty where there is nothing, or it cannot be read."""
    try:
        return dict(json.loads(_record_of(name).read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def running(name: str) -> psutil.Process | None:
    """The process that `start` started in this folder, if it still lives.

    Neither a process that took over its number is it, nor one that was started in the folder that this is a copy of.
    """
    try:
        kept = record(name)
        process = psutil.Process(kept["pid"])
        # Not to the tick: the clock that start times are told by may be set.
        same = abs(process.create_time() - kept["started"]) < SAME_START_SECONDS and _works_here(process)
        return process if same and process.is_running() and process.status() != psutil.STATUS_ZOMBIE else None
    except (KeyError, psutil.NoSuchProcess):
        return None


def busy(name: str) -> bool:
    """Whether the process runs, and has started processes that run."""
    process = running(name)
    return process is not None and bool(process.children())


def _works_here(process: psutil.Process) -> bool:
    try:
        return Path(process.cwd()) == Path.cwd()
    except (psutil.AccessDenied, FileNotFoundError):
        return True


def stop(name: str, seconds: float = 20) -> bool:
    """End the process and what it started, and nothing else; whether there was one. Its record goes too."""
    process = running(name)
    if process:
        # A worker gives each of its runs a session of its own.
        family = [process, *process.children(recursive=True)]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=seconds)
        for one in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    _record_of(name).unlink(missing_ok=True)
    return process is not None


def log_of(name: str) -> Path:
    """Where the process writes what it says."""
    return HOME / f"{name}.log"


def _record_of(name: str) -> Path:
    return HOME / f"{name}.json"
