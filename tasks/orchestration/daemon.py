"""Daemon processes, which outlive the command that starts them.

A daemon, its log and its record file share a name in `.prefect/`, which git ignores.
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
    """Start a process in a new session, and write its record file, with the values `about` added."""
    HOME.mkdir(exist_ok=True)
    with log_of(name).open("ab") as log:
        # In a new session, it outlives this terminal and holds none of its pipes.
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    process = psutil.Process(child.pid)
    with replacing(_record_of(name)) as temporary:
        temporary.write_text(json.dumps({"pid": process.pid, "started": process.create_time(), **about}))
    return process


def record(name: str) -> dict[str, Any]:
    """Return the record that `start` wrote; empty if it is missing or unreadable."""
    try:
        return dict(json.loads(_record_of(name).read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def running(name: str) -> psutil.Process | None:
    """Return the process that `start` started in this folder, or None if it has ended.

    A process that reuses its PID does not count, nor does the daemon of another folder that this one is a copy of.
    """
    try:
        recorded = record(name)
        process = psutil.Process(recorded["pid"])
        # With a tolerance, since a clock adjustment shifts reported start times.
        same = abs(process.create_time() - recorded["started"]) < SAME_START_SECONDS and _works_here(process)
        return process if same and process.is_running() and process.status() != psutil.STATUS_ZOMBIE else None
    except (KeyError, psutil.NoSuchProcess):
        return None


def busy(name: str) -> bool:
    """Return whether the process runs and has running child processes."""
    process = running(name)
    return process is not None and bool(process.children())


def _works_here(process: psutil.Process) -> bool:
    try:
        return Path(process.cwd()) == Path.cwd()
    except (psutil.AccessDenied, FileNotFoundError):
        return True


def stop(name: str, seconds: float = 20) -> bool:
    """Stop the process and its descendants, and remove its record; returns whether it was running."""
    process = running(name)
    if process:
        # A worker starts each of its runs in a new session.
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
    """Return the path of the process's log."""
    return HOME / f"{name}.log"


def _record_of(name: str) -> Path:
    return HOME / f"{name}.json"
