"""What the Prefect API is told of this project: its work pool, its deployments, and when a silent run has crashed."""

import subprocess
import sys
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType, WorkerStatus
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from tasks.files import InputError

POOL = "faces"
SILENT = "Runs that fell silent have crashed"


def apply_deployments() -> None:
    """Create the work pool, unless there is one, and the deployments, or change them to what prefect.yaml says now."""
    with get_client(sync_client=True) as client:
        known = {pool.name for pool in client.read_work_pools()}
    if POOL not in known:
        _prefect("work-pool", "create", POOL, "--type", "process")
    _prefect("--no-prompt", "deploy", "--all")


def _prefect(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"`prefect {' '.join(arguments)}` failed: {(done.stderr or done.stdout).strip()}")


def crash_silent_runs(seconds: int) -> None:
    """Have the server mark a run as crashed that gave no sign of life for so long: its machine or process is gone.

    Any run of the server: for one that is this project's own, whose runs say more often that they live.
    """
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},  # whatever its states are named
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=seconds),
    )
    said = f"No sign of life for {seconds} s: the run's process, or its machine, is gone."
    action = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=said, force=False)
    with get_client(sync_client=True) as client:
        for earlier in client.read_automations_by_name(SILENT):
            client.delete_automation(earlier.id)
    Automation(name=SILENT, description=said, trigger=trigger, actions=[action]).create()


def worker_is_online(name: str) -> bool:
    """Whether the worker of this name has told the API lately that it is there."""
    with get_client(sync_client=True) as client:
        workers = client.read_workers_for_work_pool(POOL)
    return any(worker.name == name and worker.status == WorkerStatus.ONLINE for worker in workers)
