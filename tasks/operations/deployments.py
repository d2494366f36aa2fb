"""This project's work pool, deployments and automations in the Prefect API."""

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
CRASH_AUTOMATION = "Mark runs without a heartbeat as crashed"
NOTIFY_AUTOMATION = "Notify of failed and crashed runs"
DRIFT_AUTOMATION = "Retrain on drift"
FORMER_NAMES = {
    CRASH_AUTOMATION: "Runs that fell silent have crashed",
    NOTIFY_AUTOMATION: "Runs that failed or crashed are told of",
    DRIFT_AUTOMATION: "Faces that have drifted start a training",
}
"""Names by which an earlier version of this project created the automations; they are replaced."""
FORMER_ENTRYPOINTS = {"retrain": "flows/pipeline.py:pipeline", "score": "flows/inbox.py:inbox"}
"""Entrypoints of the deployments of an earlier version, which are updated."""


def apply_deployments() -> None:
    """Create the work pool unless it exists, and create or update the deployments of prefect.yaml.

    A paused deployment or schedule stays paused; Prefect itself would resume it.
    """
    # `prefect.toml`, which gives the server's address, may be newer than the settings that this process has read.
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
    """Return names of paused deployments, and paused schedules, each with its deployment's name."""
    ours = _ours(client)
    inactive = [(one.name, schedule.schedule) for one in ours for schedule in one.schedules if not schedule.active]
    return [one.name for one in ours if one.paused], inactive


def _ours(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """Return the API's deployments that prefect.yaml defines."""
    entrypoints = {*_entrypoints().items(), *FORMER_ENTRYPOINTS.items()}
    return [one for one in client.read_deployments() if (one.name, one.entrypoint) in entrypoints]


def _prefect(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"`prefect {' '.join(arguments)}` failed: {(done.stderr or done.stdout).strip()}")


def crash_silent_runs(seconds: int) -> None:
    """Create an automation that marks a run as crashed after `seconds` without an event: its process is gone.

    It applies to all runs of the server. Use it on the project's own server, whose runs send heartbeats more often.
    """
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},  # any event, since names of states vary
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=seconds),
    )
    message = f"No heartbeat for {seconds} s: the run's process or its machine is gone."
    action = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message, force=False)
    with get_client(sync_client=True) as client:
        _delete(client, CRASH_AUTOMATION)
    Automation(name=CRASH_AUTOMATION, description=message, trigger=trigger, actions=[action]).create()


def notify_of_bad_runs(block: str | None) -> None:
    """Create an automation that reports our deployments' failed and crashed runs by a notification block, `type/name`.

    None removes the automation. Raises InputError if the block does not exist.
    """
    kind, _, name = (block or "").partition("/")
    with get_client(sync_client=True) as client:
        if block is None:
            _delete(client, NOTIFY_AUTOMATION)
            return
        try:
            document = client.read_block_document_by_name(name, kind)
        except ObjectNotFound:
            raise InputError(
                f"params.yaml, pipeline.notification_block: the Prefect API has no block {block}; create it in the UI, "
                "under Blocks, or name one of `prefect block ls`"
            ) from None
        _delete(client, NOTIFY_AUTOMATION)
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        # Only runs of our deployments. The runs of their stages, which have no deployment, would repeat the message.
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
    Automation(name=NOTIFY_AUTOMATION, description=f"By the block {block}.", trigger=trigger, actions=[action]).create()


def retrain_on_drift(enabled: bool) -> None:
    """Create the automation that runs the deployment `retrain` when scored faces have drifted, or remove it."""
    with get_client(sync_client=True) as client:
        _delete(client, DRIFT_AUTOMATION)
        if not enabled:
            return
        deployment = client.read_deployment_by_name(f"{_entrypoints()['retrain'].rpartition(':')[2]}/retrain")
    trigger = EventTrigger(
        expect={EVENT},
        match=ResourceSpecification({"prefect.resource.id": [EVENT]}),
        posture=Posture.Reactive,
        threshold=1,
    )
    action = RunDeployment(source="selected", deployment_id=deployment.id, parameters={}, job_variables={})
    description = "Scored faces differ from the reference data: the test faces that the models were evaluated on."
    Automation(name=DRIFT_AUTOMATION, description=description, trigger=trigger, actions=[action]).create()


def _delete(client: SyncPrefectClient, automation: str) -> None:
    for name in (automation, FORMER_NAMES[automation]):
        for existing in client.read_automations_by_name(name):
            client.delete_automation(existing.id)


def _entrypoints() -> dict[str, str]:
    """Return the entrypoint of each deployment of prefect.yaml, by name."""
    deployments = YAML(typ="safe").load(Path("prefect.yaml"))["deployments"]
    return {one["name"]: one["entrypoint"] for one in deployments}


def paused_deployments() -> list[str]:
    """Return names of the deployments that are paused, or whose schedules all are."""
    with get_client(sync_client=True) as client:
        return [one.name for one in _ours(client) if one.paused or _all_inactive(one)]


def former_deployments() -> list[str]:
    """Return names of the deployments that an earlier version of this project created, and whose runs would fail."""
    with get_client(sync_client=True) as client:
        return [one.name for one in _ours(client) if one.entrypoint == FORMER_ENTRYPOINTS.get(one.name)]


def _all_inactive(deployment: DeploymentResponse) -> bool:
    return bool(deployment.schedules) and not any(schedule.active for schedule in deployment.schedules)


def next_runs() -> dict[str, datetime | None]:
    """Return the next scheduled run of each deployment of prefect.yaml, or None."""
    with get_client(sync_client=True) as client:
        ours = {one.id: one.name for one in _ours(client)}
        scheduled = client.get_scheduled_flow_runs_for_deployments(list(ours)) if ours else []
    times = [(run.deployment_id, run.expected_start_time) for run in scheduled if run.expected_start_time]
    return {name: min((time for run, time in times if run == one), default=None) for one, name in ours.items()}


def worker_is_online(name: str) -> bool:
    """Return whether the API has received a recent heartbeat of the worker."""
    with get_client(sync_client=True) as client:
        workers = client.read_workers_for_work_pool(POOL)
    return any(worker.name == name and worker.status == WorkerStatus.ONLINE for worker in workers)
