"""DVC's own graph, read in this process: its stages, what each needs, and which of them would run."""

import json
import sys

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro

from tasks.common.files import InputError
from tasks.operations.dvc_plan import REFUSED, Plan


def plan_of(targets: list[str]) -> Plan:
    """What `dvc repro` would look at for `targets` (stages or outputs), or for everything if there are none.

    Raises InputError for a target that DVC does not know, and where another command of DVC's is under way.
    """
    try:
        with Repo() as repo:
            graph = repo.index.graph
            wanted = [stage for target in targets for stage in repo.stage.collect(target)] or None
            stages = plan_repro(graph, wanted)
            needs = {stage.addressing: sorted(need.addressing for need in graph.successors(stage)) for stage in stages}
            # Of all stages at once: asked for one by one, DVC takes three times as long.
            return Plan(needs, sorted(needs.keys() & repo.status().keys()))
    except LockError:
        raise InputError("another command of DVC's is under way here; wait for it, or end it first") from None
    except DvcException as error:
        raise InputError(f"{error}; `dvc stage list` names the stages") from None


if __name__ == "__main__":
    try:
        print(json.dumps(plan_of(sys.argv[1:])._asdict()))
    except InputError as fault:
        print(fault, file=sys.stderr)
        sys.exit(REFUSED)
