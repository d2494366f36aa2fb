"""This project's work pool and deployments in the Prefect API."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.context import refresh_global_settings_context
from ruamel.yaml import YAML

from tasks.common.files import InputError

POOL = "faces"
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
    ours = {*entrypoints().items(), *FORMER_ENTRYPOINTS.items()}
    return [one for one in client.read_deployments() if (one.name, one.entrypoint) in ours]


def _prefect(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"`prefect {' '.join(arguments)}` failed: {(done.stderr or done.stdout).strip()}")


def entrypoints() -> dict[str, str]:
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
