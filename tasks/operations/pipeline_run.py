"""A pipeline run: one Prefect task per stage, along the edges of DVC's graph; DVC runs the stage as its child run.

Independent stages run concurrently. The operating system shares the cores between them. The stages' thread counts do
not change, since the last digits of a training depend on them.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed, Failed

from tasks.common.process import PARENT_TASK_RUN
from tasks.operations.dvc_graph import Plan
from tasks.operations.dvc_record import StageRecord, record_of
from tasks.orchestration.artifacts import console
from tasks.orchestration.stage_status import read_status, remove_status

DONE = ("Completed", "Restored", "Skipped")
"""Names of the final states of a stage that ran, that DVC restored from its cache, or that had nothing to do."""


class Killed(RuntimeError):
    """A stage failed without an input error, and is worth a retry."""


class StageResult(NamedTuple):
    """The name of a stage's final state and its message; `child` is the flow run of the stage, if recorded."""

    stage: str
    outcome: str
    seconds: float
    message: str
    child: UUID | None

    @property
    def done(self) -> bool:
        return self.outcome in DONE


def run_stages(plan: Plan, force: bool, retries: dict[str, int], retry_delay_seconds: int) -> list[StageResult]:
    """Run every stage of the plan, each as soon as its dependencies are done; returns results in the plan's order.

    `retries` are by stage name, without the model. They apply to failures without an input error, as of a killed
    process.
    """
    seconds: dict[str, float] = {}
    running = _Running([])
    futures: dict[str, PrefectFuture[Any]] = {}

    def run(stage: str, changed: bool, needs: list[Any]) -> State:
        start = time.monotonic()
        try:
            return _run_stage(stage, changed, force, needs, running)
        finally:
            seconds[stage] = time.monotonic() - start

    try:
        for stage, needs in plan.needs.items():
            decorated = task(
                name=stage,
                cache_policy=NO_CACHE,
                persist_result=False,
                retries=retries.get(stage.split("@")[0], 0),
                retry_delay_seconds=retry_delay_seconds,
                retry_condition_fn=lambda task, run, state: isinstance(state.data, Killed),
            )
            futures[stage] = decorated(run).submit(stage, stage in plan.changed, [futures[need] for need in needs])
        wait(list(futures.values()))
    except BaseException:
        # Prefect waits for the threads, which wait for their stages.
        running.terminate()
        raise
    children = _children([future.task_run_id for future in futures.values()])
    return [
        StageResult(
            stage,
            future.state.name or "",
            seconds.get(stage, 0.0),
            future.state.message or "",
            children.get(future.task_run_id),
        )
        for stage, future in futures.items()
    ]


@dataclass
class _Running:
    """The processes of the stages, and whether they were terminated."""

    processes: list[subprocess.Popen[str]]
    terminated: bool = False

    def terminate(self) -> None:
        self.terminated = True
        for process in self.processes:
            process.terminate()


def _run_stage(stage: str, changed: bool, force: bool, needs: list[str], running: _Running) -> State:
    """Run a stage by DVC. `needs` are the outcomes of its dependencies: if nothing changed, no process is started."""
    if not changed and not force and set(needs) <= {"Skipped"}:
        return Completed(name="Skipped", message="nothing to do: the outputs are up to date", data="Skipped")
    before = record_of(stage)
    # The status of an earlier run must not count for this one.
    remove_status(stage)
    exit_status, last_line = _run_by_dvc(stage, force, running)
    if exit_status == 0:
        outcome = _outcome(stage, before, force)
        return Completed(name=outcome, message=f"{outcome} by DVC", data=outcome)
    if running.terminated:
        return Failed(message=f"{stage} was terminated with the pipeline")
    status = read_status(stage)
    if status and status.input_fault:
        return Failed(message=f"{stage} cannot be done: {status.message}")
    reason = (status and status.message) or last_line or f"exit status {exit_status}"
    raise Killed(f"{stage} failed: {reason}")


def _run_by_dvc(stage: str, force: bool, running: _Running) -> tuple[int, str]:
    """Run a stage by DVC, and show its output; return the exit status and the last line that is not empty."""
    command = [sys.executable, "-m", "flows", "repro", *(["--force"] if force else []), stage]
    last_line = ""
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        running.processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            console().out(f"{stage} | {line.rstrip()}", highlight=False)
            last_line = line.strip() or last_line
    return process.returncode, last_line


def _outcome(stage: str, before: StageRecord, force: bool) -> str:
    """Return the name of the final state of a stage after DVC succeeded."""
    # A stage writes a status unless the disk is full. With force, DVC always runs it.
    if force or read_status(stage):
        return "Completed"
    return "Skipped" if record_of(stage) == before else "Restored"


def _environment() -> dict[str, str]:
    context = TaskRunContext.get()
    assert context is not None
    # Unbuffered, so that lines appear while the stage runs.
    return {**os.environ, PARENT_TASK_RUN: str(context.task_run.id), "PYTHONUNBUFFERED": "1"}


def _children(task_runs: list[UUID]) -> dict[UUID, UUID]:
    """Return the flow run that each task run started; the last one after retries."""
    ours = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=task_runs))
    try:
        with get_client(sync_client=True) as client:
            flow_runs = client.read_flow_runs(flow_run_filter=ours)
    except httpx.HTTPError:
        # The report then has no links; the stages are done.
        return {}
    by_time = sorted(flow_runs, key=lambda run: str(run.expected_start_time))
    return {run.parent_task_run_id: run.id for run in by_time if run.parent_task_run_id}
