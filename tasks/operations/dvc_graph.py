"""DVC's own graph, read in this process: its stages, their dependencies, and which of them would run."""

from typing import NamedTuple

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
