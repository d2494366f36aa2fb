"""Lists the registered versions of the model set with their gate results and metrics."""

import json
from datetime import datetime
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from tasks.common.files import InputError
from tasks.common.text_escaping import visible
from tasks.orchestration.artifacts import console
from tasks.orchestration.git_revision import trouble
from tasks.release.registry import gate_result_at, git, in_production, registrations, tag_of

METRICS = {"accuracy": "emotion", "nme": "keypoints"}
"""The listed metrics, and the model of each."""


class Version(NamedTuple):
    """A registered version. `outcome` of its gate, `accuracy` and `nme` are None where its commit has none."""

    version: str
    commit: str
    date: datetime
    in_production: bool
    outcome: str | None
    accuracy: float | None
    nme: float | None


def list_versions() -> list[Version]:
    """All registered versions, the newest first. Raises InputError if the folder is not a git repository."""
    if why := trouble():
        raise InputError(f"the versions cannot be listed: {why}")
    current = in_production()
    return [
        Version(name, commit, date, name == current, _outcome(name), *(_metric(name, metric) for metric in METRICS))
        for name, commit, date in registrations()
    ]


def print_versions() -> None:
    """Print the registered versions as a table, or a sentence if there are none. Raises as `list_versions`."""
    rows = list_versions()
    if not rows:
        console().print("No version is registered yet. `faces promote` registers the models of this workspace.")
        return
    table = Table("version", "commit", "date", "stage", "gate", "emotion accuracy", "keypoints NME")
    for row in rows:
        stage = "production" if row.in_production else ""
        metrics = ("" if value is None else f"{value:.4f}" for value in (row.accuracy, row.nme))
        date = f"{row.date.astimezone():%Y-%m-%d %H:%M}"
        cells = (row.version, row.commit[:7], date, stage, row.outcome or "unknown", *metrics)
        table.add_row(*(escape(visible(cell)) for cell in cells))
    console().print(table)


def _outcome(version: str) -> str | None:
    """The outcome of a version's gate; None if the commit has no valid gate result."""
    try:
        return str(json.loads(gate_result_at(version))["outcome"])
    except (InputError, ValueError, KeyError, TypeError):  # anyone may tag any commit
        return None


def _metric(version: str, name: str) -> float | None:
    """A metric on the test split; None if the commit has no such metric. Earlier layouts have the same names."""
    try:
        return float(json.loads(git("show", f"{tag_of(version)}:reports/metrics/{METRICS[name]}.json"))[name])
    except (InputError, ValueError, KeyError, TypeError):
        return None
