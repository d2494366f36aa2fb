"""A pipeline's run: one Prefect task a stage, along the edges of DVC's graph; DVC runs the stage, as its child run.

Stages that do not need each other run side by side. The operating system shares the cores between them; the stages'
thread counts stay as they are, since the last digits of a training depend on them.
"""

import os
import re
import subprocess
import sys
import time
from collections import deque
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

from tasks.operations.dvc_plan import Plan
from tasks.orchestration.api import PARENT_TASK_RUN, console

SAID = {"Running stage": "Completed", "is cached - skipping run": "Restored", "didn't change": "Skipped"}
"""What DVC says of a stage, and the name of the state that its task then ends in."""

LAST_LINES = 60
FAULT = re.compile(r"cannot be done:\n(.+?)\n(?:What this stage had made|ERROR:|\Z)", re.DOTALL)


class Killed(RuntimeError):
    """A stage that failed without a word on its input; worth another try."""


class Lane(NamedTuple):
    """How a stage ended: the name of its state and what was said; `child` is the flow run that did its work."""

    stage: str
    outcome: str
    seconds: float
    message: str
    child: UUID | None

    @property
    def done(self) -> bool:
        return self.outcome in SAID.values()


def run_lanes(plan: Plan, force: bool, retries: dict[str, int], retry_seconds: int) -> list[Lane]:
    """Every stage of the plan, each as soon as those that it needs are done; in the plan's order.

    `retries` are by stage, without the head, for failures that are no fault of the input: a process that was killed.
    """
    seconds: dict[str, float] = {}
    running = _Running([])
    futures: dict[str, PrefectFuture[Any]] = {}

    def run(stage: str, changed: bool, needs: list[Any]) -> State:
        began = time.monotonic()
        try:
            return _run_stage(stage, changed, force, needs, running)
        finally:
            seconds[stage] = time.monotonic() - began

    try:
        for stage, needs in plan.needs.items():
            tries = retries.get(stage.split("@")[0], 0)
            decorated = task(
                name=stage,
                cache_policy=NO_CACHE,
                persist_result=False,
                retries=tries,
                retry_delay_seconds=retry_seconds,
                retry_condition_fn=lambda task, run, state: isinstance(state.data, Killed),
            )
            futures[stage] = decorated(run).submit(stage, stage in plan.changed, [futures[need] for need in needs])
        wait(list(futures.values()))
    except BaseException:
        # Prefect would wait for the threads, and they for their stages.
        running.end()
        raise
    children = _children([future.task_run_id for future in futures.values()])
    return [
        Lane(
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
    """The processes of the stages, and whether they were told to end."""

    processes: list[subprocess.Popen[str]]
    ended: bool = False

    def end(self) -> None:
        self.ended = True
        for process in self.processes:
            process.terminate()


def _run_stage(stage: str, changed: bool, force: bool, needs: list[str], running: _Running) -> State:
    """`needs` are the outcomes of the stages that this one needs: where nothing changed, no process is started."""
    if not changed and not force and set(needs) <= {"Skipped"}:
        return Completed(name="Skipped", message="nothing to do: DVC has what it would make", data="Skipped")
    command = [sys.executable, "-m", "flows.repro", *(["--force"] if force else []), stage]
    outcome, lines = "Completed", deque[str](maxlen=LAST_LINES)
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        running.processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            console.out(f"{stage} | {line.rstrip()}", highlight=False)
            lines.append(line)
            outcome = next((name for said, name in SAID.items() if said in line), outcome)
    if process.returncode == 0:
        return Completed(name=outcome, message=f"{outcome} by DVC", data=outcome)
    if running.ended:
        return Failed(message=f"{stage} was ended with the pipeline")
    said = "".join(lines).strip()
    if fault := FAULT.search(said):
        return Failed(message=f"{stage} cannot be done: {fault[1].strip()}")
    raise Killed(f"{stage} failed: {said.splitlines()[-1] if said else f'exit status {process.returncode}'}")


def _environment() -> dict[str, str]:
    context = TaskRunContext.get()
    assert context is not None
    # Lines as they come, and not when the stage ends.
    return {**os.environ, PARENT_TASK_RUN: str(context.task_run.id), "PYTHONUNBUFFERED": "1"}


def _children(task_runs: list[UUID]) -> dict[UUID, UUID]:
    """The flow run that each task run started, of several tries the last."""
    ours = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=task_runs))
    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=ours)
    except httpx.HTTPError:
        # Without links, then: the stages are done.
        return {}
    by_time = sorted(found, key=lambda run: str(run.expected_start_time))
    return {run.parent_task_run_id: run.id for run in by_time if run.parent_task_run_id}
