"""What the Prefect API is told of this project: its work pool, its deployments, and what it does about bad runs."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType, WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.context import refresh_global_settings_context
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from ruamel.yaml import YAML

from tasks.common.files import InputError
from tasks.scoring.drift_check import EVENT

POOL = "faces"
SILENT = "Runs that fell silent have crashed"
BAD = "Runs that failed or crashed are told of"
DRIFTED = "Faces that have drifted start a training"


def apply_deployments() -> None:
    """Create the work pool, unless there is one, and the deployments, or change them to what prefect.yaml says now.

    A deployment or schedule that was paused stays paused; Prefect itself would resume it.
    """
    # What names the server may be younger than the settings that this process read.
    refresh_global_settings_context()
    with get_client(sync_client=True) as client:
        known = {pool.name for pool in client.read_work_pools()}
        paused, inactive = _paused(client)
    if POOL not in known:
        _prefect("work-pool", "create", POOL, "--type", "process")
    _prefect("--no-prompt", "deploy", "--all")
    with get_client(sync_client=True) as client:
        for one in _ours(client):
            if one.name in paused:
                client.pause_deployment(one.id)
            for schedule in one.schedules:
                if (one.name, schedule.schedule) in inactive:
                    client.update_deployment_schedule(one.id, schedule.id, active=False)


def _paused(client: SyncPrefectClient) -> tuple[list[str], list[tuple[str, Any]]]:
    """Names of paused deployments, and paused schedules with the names of theirs."""
    ours = _ours(client)
    inactive = [(one.name, schedule.schedule) for one in ours for schedule in one.schedules if not schedule.active]
    return [one.name for one in ours if one.paused], inactive


def _ours(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """The deployments of prefect.yaml, of those that the API has."""
    entrypoints = _entrypoints()
    return [one for one in client.read_deployments() if entrypoints.get(one.name) == one.entrypoint]


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
        _forget(client, SILENT)
    Automation(name=SILENT, description=said, trigger=trigger, actions=[action]).create()


def tell_of_bad_runs(block: str | None) -> None:
    """Have the server tell by a notification block, `type/name`, of our deployments' runs that failed or crashed.

    None: tell no more. Raises InputError where there is no such block.
    """
    kind, _, name = (block or "").partition("/")
    with get_client(sync_client=True) as client:
        if block is None:
            _forget(client, BAD)
            return
        try:
            document = client.read_block_document_by_name(name, kind)
        except ObjectNotFound:
            raise InputError(
                f"params.yaml, pipeline.notify: the Prefect API has no block {block}; make it in the UI, under Blocks, "
                "or name one of `prefect block ls`"
            ) from None
        _forget(client, BAD)
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        # Ours alone, and not their stages' runs too, which are of no deployment.
        match_related=ResourceSpecification(
            {"prefect.resource.role": ["deployment"], "prefect.resource.name": [*_entrypoints()]}
        ),
        posture=Posture.Reactive,
        threshold=1,
    )
    action = SendNotification(
        block_document_id=document.id,
        subject="{{ deployment.name }}: {{ flow_run.state.name }}",
        body="{{ flow_run.name }}\n{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
    )
    Automation(name=BAD, description=f"By the block {block}.", trigger=trigger, actions=[action]).create()


def retrain_on_drift(bound: bool) -> None:
    """Have the server run the deployment `retrain` when scored faces have drifted; or no more."""
    with get_client(sync_client=True) as client:
        _forget(client, DRIFTED)
        if not bound:
            return
        deployment = client.read_deployment_by_name(f"{_entrypoints()['retrain'].rpartition(':')[2]}/retrain")
    trigger = EventTrigger(
        expect={EVENT},
        match=ResourceSpecification({"prefect.resource.id": [EVENT]}),
        posture=Posture.Reactive,
        threshold=1,
    )
    action = RunDeployment(source="selected", deployment_id=deployment.id, parameters={}, job_variables={})
    said = "Faces that were scored are unlike those that the networks were judged on."
    Automation(name=DRIFTED, description=said, trigger=trigger, actions=[action]).create()


def _forget(client: SyncPrefectClient, automation: str) -> None:
    for earlier in client.read_automations_by_name(automation):
        client.delete_automation(earlier.id)


def _entrypoints() -> dict[str, str]:
    """Of each deployment of prefect.yaml."""
    deployments = YAML(typ="safe").load(Path("prefect.yaml"))["deployments"]
    return {one["name"]: one["entrypoint"] for one in deployments}


def paused_deployments() -> list[str]:
    """Names of the deployments that are paused, themselves or all of their schedules."""
    with get_client(sync_client=True) as client:
        return [one.name for one in _ours(client) if one.paused or _all_inactive(one)]


def _all_inactive(deployment: DeploymentResponse) -> bool:
    return bool(deployment.schedules) and not any(schedule.active for schedule in deployment.schedules)


def next_runs() -> dict[str, datetime | None]:
    """When each deployment of prefect.yaml runs next, as far as the server has planned."""
    with get_client(sync_client=True) as client:
        ours = {one.id: one.name for one in _ours(client)}
        planned = client.get_scheduled_flow_runs_for_deployments(list(ours)) if ours else []
    times = [(run.deployment_id, run.expected_start_time) for run in planned if run.expected_start_time]
    return {name: min((time for run, time in times if run == one), default=None) for one, name in ours.items()}


def worker_is_online(name: str) -> bool:
    """Whether the worker of this name has told the API lately that it is there."""
    with get_client(sync_client=True) as client:
        workers = client.read_workers_for_work_pool(POOL)
    return any(worker.name == name and worker.status == WorkerStatus.ONLINE for worker in workers)
