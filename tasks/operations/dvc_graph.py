"""DVC's own graph: its stages, their dependencies, which of them would run, and what it recorded of them."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tasks.common.files import InputError


class Plan(NamedTuple):
    """`needs`: each stage with the stages it depends on, in topological order; `changed`: the stages that would run."""

    needs: dict[str, list[str]]
    changed: list[str]


def plan_of(targets: list[str]) -> Plan:
    """Return the stages that `dvc repro` would check for `targets` (stages or outputs); for none, all stages.

    Raises InputError for an unknown target, and while another DVC command holds the repository's lock.
    """
    # Imported here: loading DVC takes a second, and users of `Plan` alone need none of it.
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro

    try:
        with Repo() as repo:
            graph = repo.index.graph
            selected = [stage for target in targets for stage in repo.stage.collect(target)] or None
            stages = plan_repro(graph, selected)
            needs = {stage.addressing: sorted(need.addressing for need in graph.successors(stage)) for stage in stages}
            # One call for all stages: a call for each takes three times as long.
            return Plan(needs, sorted(needs.keys() & repo.status().keys()))
    except LockError:
        raise InputError("another DVC command is running here; wait for it, or end it first") from None
    except DvcException as error:
        raise InputError(f"{error}; `dvc stage list` names the stages") from None


def recorded_stages(lock: Path, targets: Sequence[str]) -> dict[str, Any]:
    """The entries of `dvc.lock` for these stages, and for all that they depend on, in the order of a run.

    Raises InputError if one of `targets` has no entry.
    """
    entries = YAML(typ="safe").load(lock)["stages"] if lock.is_file() else {}
    if missing := [target for target in targets if target not in entries]:
        raise InputError(f"{lock} has no record of {', '.join(missing)}; `dvc repro {' '.join(missing)}` runs them")
    needs: dict[str, list[str]] = {}
    pending = list(targets)
    while pending:
        name = pending.pop()
        if name not in needs:
            needs[name] = _makers(entries, name)
            pending += needs[name]
    return {name: entries[name] for name in TopologicalSorter(dict(sorted(needs.items()))).static_order()}


def _makers(entries: Mapping[str, Any], name: str) -> list[str]:
    """The stages that write what a stage reads: the same path, one inside it, or a folder around it."""
    read = [PurePosixPath(dep["path"]) for dep in entries[name].get("deps", [])]
    made = ((maker, PurePosixPath(out["path"])) for maker, entry in entries.items() for out in entry.get("outs", []))
    return sorted({maker for maker, out in made if maker != name and any(overlap(out, dep) for dep in read)})


def overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two paths are the same, or one is inside the other."""
    return one == other or one in other.parents or other in one.parents
