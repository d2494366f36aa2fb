"""DVC's plan, prefetched in a separate process: DVC takes a second to plan while Prefect takes one to load."""

import json
import subprocess
import sys
from typing import NamedTuple

from tasks.common.files import InputError

REFUSED = 3
"""Exit status of the planning process for an InputError, whose message it prints."""


class Plan(NamedTuple):
    """`needs`: each stage with the stages it depends on, in topological order; `changed`: the stages that would run."""

    needs: dict[str, list[str]]
    changed: list[str]


_prefetched: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def plan_ahead(targets: list[str]) -> None:
    """Start to plan for these targets in another process; `planned` waits for the result."""
    command = [sys.executable, "-m", "tasks.operations.dvc_graph", *targets]
    _prefetched[tuple(targets)] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def planned(targets: list[str]) -> Plan:
    """Return the stages that `dvc repro` would check for `targets` (stages or outputs); for none, all stages.

    Raises InputError for an unknown target, and while another DVC command holds the repository's lock.
    """
    if process := _prefetched.pop(tuple(targets), None):
        output, error = process.communicate()
        if process.returncode == 0:
            return Plan(**json.loads(output))
        if process.returncode == REFUSED:
            raise InputError(error.strip())
    from tasks.operations.dvc_graph import plan_of

    return plan_of(targets)
