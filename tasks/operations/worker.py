"""Scheduled runs: server, work pool, deployments, a worker that runs them, and notifications of bad runs."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from params import Pipeline
from tasks.common.files import InputError
from tasks.operations import api_server, server
from tasks.orchestration import daemon, server_access
from tasks.orchestration.server_access import HEARTBEAT_SECONDS

NAME = api_server.WORKER
START_SECONDS = 120
SILENT_SECONDS = 6 * HEARTBEAT_SECONDS


@contextmanager
def _request_errors_as_input_errors() -> Iterator[None]:
    # Imported here, since it takes a while and `down` needs no request.
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise InputError(
            f"a request to the Prefect API failed ({error}); it may need another PREFECT_API_AUTH_STRING or "
            "PREFECT_API_KEY, or be down: see `make status`"
        ) from None


def up(settings: Pipeline) -> str:
    """Start the server, apply the deployments of prefect.yaml, and start a worker; returns the API's address.

    Raises InputError if no API responds or the worker does not start.
    """
    address = api_server.ensure_api()
    with _request_errors_as_input_errors():
        _apply_and_start(settings, address)
    return address


def _apply_and_start(settings: Pipeline, address: str) -> None:
    # Imported after the server starts: Prefect reads the API's address when it is imported.
    from tasks.operations.automations import crash_silent_runs, notify_of_bad_runs, retrain_on_drift
    from tasks.operations.deployments import POOL, apply_deployments, worker_is_online

    apply_deployments()
    notify_of_bad_runs(settings.notification_block)
    retrain_on_drift(settings.retrain_on_drift)
    if address == server_access.own_address():
        crash_silent_runs(SILENT_SECONDS)
    name = f"{POOL}-{os.getpid()}"
    if not daemon.running(NAME):
        command = [sys.executable, "-m", "flows", "worker", POOL, name]
        daemon.start(NAME, command, dict(os.environ), worker=name)
    deadline = time.monotonic() + START_SECONDS
    while not worker_is_online(daemon.record(NAME)["worker"]):
        if not daemon.running(NAME) or time.monotonic() > deadline:
            raise InputError(f"the worker did not start; see its log, {daemon.log_of(NAME)}")
        time.sleep(1)


def down() -> list[str]:
    """Stop the worker and its runs, then the server; returns the names of what was stopped."""
    stopped = {"worker": daemon.stop(NAME), "server": server.stop()}
    return [name for name, was_running in stopped.items() if was_running]


def status_lines() -> list[str]:
    """Return a line each on server, worker and deployments. Raises InputError if no API responds."""
    address = api_server.require_api()
    with _request_errors_as_input_errors():
        return _status_lines(address)


def _status_lines(address: str) -> list[str]:
    from tasks.operations.deployments import former_deployments, next_runs, paused_deployments

    lines = [f"Prefect: {address.removesuffix('/api')}"]
    if address == server_access.own_address() and not server.is_guarded():
        lines.append("server: of an earlier version, which any web page can use; `make up` replaces it")
    lines.append("worker: running" if daemon.running(NAME) else "worker: none; `make up` starts one")
    paused, former = paused_deployments(), former_deployments()
    for name, time_of_next in next_runs().items():
        scheduled = f"next run {time_of_next:%Y-%m-%d %H:%M %Z}" if time_of_next else "no run scheduled"
        lines.append(f"{name}: {'paused; resume it in the UI' if name in paused else scheduled}")
        if name in former:
            lines.append(f"{name}: of an earlier version, whose runs fail now; `make up` updates it")
    return lines
