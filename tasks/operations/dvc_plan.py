"""DVC's plan, made ahead by a process of its own: DVC takes a second to plan, Prefect one to load, of two cores."""

import json
import subprocess
import sys
from typing import NamedTuple

from tasks.common.files import InputError

REFUSED = 3
"""Exit status of a planning process whose targets or checkout are at fault, as it then says."""


class Plan(NamedTuple):
    """Stages in an order in which each follows those it needs, and those that DVC would run as things are."""

    needs: dict[str, list[str]]
    changed: list[str]


_ahead: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def plan_ahead(targets: list[str]) -> None:
    """Begin to plan for these targets; `planned` waits for it."""
    command = [sys.executable, "-m", "tasks.operations.dvc_graph", *targets]
    _ahead[tuple(targets)] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def planned(targets: list[str]) -> Plan:
    """What `dvc repro` would look at for `targets` (stages or outputs), or for everything if there are none.

    Raises InputError for a target that DVC does not know, and where another command of DVC's is under way.
    """
    if process := _ahead.pop(tuple(targets), None):
        said, error = process.communicate()
        if process.returncode == 0:
            return Plan(**json.loads(said))
        if process.returncode == REFUSED:
            raise InputError(error.strip())
    from tasks.operations.dvc_graph import plan_of

    return plan_of(targets)
