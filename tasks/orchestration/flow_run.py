"""Runs a flow: recorded by the API that was decided on, or as a plain function."""

import functools
import inspect
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import params
from tasks.common.files import InputError
from tasks.common.process import PARENT_TASK_RUN
from tasks.orchestration import api
from tasks.orchestration.api import terminal
from tasks.orchestration.decorators import failed_on_bad_input
from tasks.orchestration.git_revision import revision

PARENT_SECONDS = 15
"""The API records task runs some time after they start."""

LOG_FORMAT = "%(asctime)s | %(message)s"
NEEDS_API = "the pipeline needs an API. `dvc repro` runs the same stages without one"
FlowFunction = Callable[..., object]
"""Its first parameter is the settings."""


@dataclass
class _Progress:
    """What is known of a flow even if the API is lost: whether it started and ended, and its error."""

    started: bool = False
    ended: bool = False
    error: Exception | None = None

    def end(self, error: Exception | None) -> None:
        self.ended, self.error = True, error


def run_flow(
    function: FlowFunction, settings: params.Params, arguments: dict[str, object], name: str, needs_api: bool = False
) -> None:
    """Run a flow named like the function, as a child run of the task that started it, or as a top-level run.

    `name`, with the commit, is the name of the run. Recording never fails the work. If the API cannot create the run,
    the flow runs without it, or raises InputError if it needs the API. If the API is lost during the run, a warning is
    logged: the outputs are complete.
    """
    if not api.recording():
        function(settings, **arguments)
        return
    from prefect import flow_engine

    progress = _Progress()
    flow = _prefect_flow(function, settings, name, progress)
    logging.getLogger("prefect.flow_runs").addFilter(_WithoutLostApi())
    try:
        flow_engine.run_flow(flow, flow_run=_child_run(flow, arguments), parameters=arguments)
    except Exception as error:
        if not progress.started and needs_api:
            raise InputError(f"the Prefect API could not create this run ({error}); {NEEDS_API}") from None
        if not progress.started:
            terminal.warning("the Prefect API could not create this run, which continues without it: %s", error)
            api.use(None)
            function(settings, **arguments)
            return
        if not progress.ended:
            raise
        if progress.error:
            raise progress.error from None
        terminal.warning("the stage is complete, but the Prefect API did not record its end: %s", error)


def _prefect_flow(function: FlowFunction, settings: params.Params, name: str, progress: _Progress) -> Any:
    """Return a Prefect flow with the function's parameters, but for the settings."""
    from prefect import flow

    def started(**arguments: object) -> object:
        progress.started = True
        return tagged(function, settings, arguments)

    recorded = functools.update_wrapper(failed_on_bad_input(started, progress.end), function)
    parameters = [each.replace(kind=each.KEYWORD_ONLY) for each in inspect.signature(function).parameters.values()]
    vars(recorded)["__signature__"] = inspect.Signature(parameters[1:])
    return flow(flow_run_name=run_name(name), persist_result=False, validate_parameters=False)(recorded)


def run_deployed(function: FlowFunction, arguments: dict[str, object]) -> object:
    """Call the function of a flow inside the flow run that a worker started, with its parameters as `arguments`."""
    logging.basicConfig(format=LOG_FORMAT, datefmt="%H:%M:%S")
    terminal.setLevel(logging.INFO)
    decided = api.decide()
    api.use(decided)
    terminal.info("%s", decided.note)

    def run() -> object:
        if decided.refused:
            raise InputError(decided.note)
        return tagged(function, params.load(), arguments)

    return failed_on_bad_input(run, lambda error: None)()


def run_name(name: str) -> str:
    """Return the name of a run, with the commit."""
    commit = revision()
    return f"{name} · {commit}" if commit else name


def tagged(function: FlowFunction, settings: params.Params, arguments: dict[str, object]) -> object:
    """Tag the current flow run with the commit, and call the function."""
    if commit := revision():
        # Not when the run is created, since the server creates the runs of deployments.
        _tag_run(f"revision:{commit}")
    return function(settings, **arguments)


def _tag_run(tag: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run

    with get_client(sync_client=True) as client:
        api.send(client.update_flow_run, UUID(flow_run.id), tags=sorted({*flow_run.tags, tag}))


def _child_run(flow: Any, arguments: dict[str, object]) -> Any:
    """Return the flow run, a child of the task run that started this process; None without such a task, or on failure.

    The API returns 409 until it has recorded the task run.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    parent, deadline = os.environ.get(PARENT_TASK_RUN), time.monotonic() + PARENT_SECONDS
    while parent:
        try:
            with get_client(sync_client=True) as client:
                return client.create_flow_run(flow, parameters=arguments, parent_task_run_id=UUID(parent))
        except (httpx.HTTPError, PrefectException, ValueError) as error:
            early = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.CONFLICT
            if not early or time.monotonic() > deadline:
                terminal.warning("this run is not linked to the pipeline run: %s", error)
                return None
            time.sleep(0.5)
    return None


class _WithoutLostApi(logging.Filter):
    """Drops Prefect's traceback of forty lines for a lost API; `run_flow` logs one line instead."""

    def filter(self, record: logging.LogRecord) -> bool:
        import httpx

        return not (record.exc_info and isinstance(record.exc_info[1], httpx.TransportError))


def skipped(message: str) -> object:
    """Return the state Skipped with a message, for a flow that had nothing to do; None without an API."""
    if not api.recording():
        terminal.info(message)
        return None
    from prefect.states import Completed

    return Completed(name="Skipped", message=message)
