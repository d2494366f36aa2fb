"""The pipeline over a small graph of DVC's: what runs, what is skipped, what fails and what that stops."""

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.common.files import InputError
from tasks.operations.dvc_graph import plan_of
from tasks.operations.dvc_plan import plan_ahead, planned
from tests.conftest import BIN, PATIENCE, Run, commit, copy_project, environment_of, runner, set_params
from tests.orchestration.test_stage import flow_runs, post, stage_of, wait_for

STEP = '''"""A stage for tests: joins the texts that it needs; refuses, or is killed, where a file says so."""
import os
import signal
import time
from pathlib import Path

from tasks.common.files import InputError
from tasks.orchestration.api import flow, task

NAME = os.environ.get("DVC_STAGE", "step")


@task
def work() -> None:
    refusal, killing = Path(f"refuse-{NAME}"), Path(f"kill-{NAME}")
    if refusal.exists():
        raise InputError(refusal.read_text())
    if killing.exists():
        killing.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    while Path(f"wait-{NAME}").exists():
        Path(f"begun-{NAME}").touch()
        time.sleep(0.05)
    Path(f"{NAME}.txt").write_text(Path("source.txt").read_text() + NAME)


@flow
def step() -> None:
    """A stage for tests."""
    work()


if __name__ == "__main__":
    from flows.stage import main

    main(step)
'''
GRAPH = """
stages:
  ingest:
    cmd: exec python -m flows.step
    deps: [source.txt]
    outs: [ingest.txt]
  train:
    matrix: {head: [keypoints, emotion]}
    cmd: exec python -m flows.step
    deps: [ingest.txt]
    outs: ["train@${item.head}.txt"]
  evaluate:
    cmd: exec python -m flows.step
    deps: [train@emotion.txt]
    outs: [evaluate.txt]
  explore:
    cmd: exec python -m flows.step
    deps: [train@keypoints.txt]
    outs: [explore.txt]
"""
STAGES = ["ingest", "train@keypoints", "train@emotion", "explore", "evaluate"]


class Graph:
    """A project whose stages take no time, the API that records it, and what came of its pipeline's last run."""

    def __init__(self, project: Path, server: str) -> None:
        (project / "flows/step.py").write_text(STEP)
        (project / "dvc.yaml").write_text(GRAPH)
        (project / "source.txt").write_text("one")
        set_params(project, pipeline__retry_seconds=0)
        commit(project, "a small graph")
        self.project, self.server, self.run = project, server, runner(project)

    def pipeline(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-m", "flows.pipeline", *arguments, check=check, PREFECT_API_URL=self.server)

    def last(self) -> dict[str, Any]:
        return flow_runs(self.server, "pipeline")[0]

    def states(self) -> dict[str, str]:
        """The name of each stage's state in the last run."""
        tasks = post(self.server, "task_runs/filter", {"flow_runs": {"id": {"any_": [self.last()["id"]]}}})
        names = {re.sub("-[^-]+$", "", one["name"]): one["state"]["name"] for one in tasks}
        return {name: state for name, state in names.items() if name != "report pipeline"}

    def children(self) -> set[str]:
        tasks = post(self.server, "task_runs/filter", {"flow_runs": {"id": {"any_": [self.last()["id"]]}}})
        parents = {one["id"] for one in tasks}
        return {stage_of(run) for run in flow_runs(self.server, "step") if run["parent_task_run_id"] in parents}

    def tries(self, stage: str) -> int:
        tasks = post(self.server, "task_runs/filter", {"flow_runs": {"id": {"any_": [self.last()["id"]]}}})
        return next(one["run_count"] for one in tasks if one["name"].startswith(f"{stage}-"))

    def page(self) -> str:
        artifacts = post(
            self.server,
            "artifacts/filter",
            {"flow_runs": {"id": {"any_": [self.last()["id"]]}}, "sort": "CREATED_DESC"},
        )
        return next(one["data"] for one in artifacts if one["key"] == "pipeline")

    def say(self, name: str, text: str = "") -> None:
        (self.project / name).write_text(text)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, server: str) -> Graph:
    return Graph(copy_project(tmp_path_factory.mktemp("lanes") / "project"), server)


@pytest.fixture
def dvc(graph: Graph) -> Run:
    return lambda *arguments, **options: graph.run("dvc", *arguments, **options)


def test_every_stage_runs_once_as_a_child_and_then_is_skipped(graph: Graph, dvc: Run) -> None:
    graph.pipeline()
    assert graph.last()["state"]["name"] == "Completed"
    assert graph.states() == dict.fromkeys(STAGES, "Completed")
    assert graph.children() == set(STAGES)
    assert dvc("status").stdout.strip() == "Data and pipelines are up to date."
    links = re.findall(r"\[(.+?)\]\(http://127.0.0.1:\d+/runs/flow-run/([0-9a-f-]{36})\)", graph.page())
    runs = {run["id"]: stage_of(run) for run in flow_runs(graph.server, "step")}
    assert [name for name, _ in links] == [runs[run] for _, run in links]
    assert {name for name, _ in links} == set(STAGES)
    graph.pipeline()
    assert graph.states() == dict.fromkeys(STAGES, "Skipped")
    assert graph.children() == set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_a_plan_made_ahead_is_the_one_that_is_made_here(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(graph.project)
    for targets in ([], ["evaluate"]):
        expected = plan_of(targets)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(
                "tasks.operations.dvc_graph.plan_of", None
            )  # it would be called if nothing was made ahead
            plan_ahead(targets)
            assert planned(targets) == expected
        assert set(expected.needs) == (set(STAGES) if not targets else {"ingest", "train@emotion", "evaluate"})
    plan_ahead(["nobody"])
    with pytest.raises(InputError, match="Stage 'nobody' not found"):
        planned(["nobody"])


def test_a_failed_stage_stops_what_needs_it_and_nothing_else(graph: Graph) -> None:
    graph.say("source.txt", "two")
    graph.say("refuse-train@emotion", "faces.csv, row 3: too short; mend it")
    done = graph.pipeline(check=False)
    assert done.returncode == 1
    others = {"ingest": "Completed", "train@keypoints": "Completed", "explore": "Completed"}
    assert graph.states() == {**others, "train@emotion": "Failed", "evaluate": "NotReady"}
    state = graph.last()["state"]
    assert state["type"] == "FAILED"
    assert state["message"].splitlines() == [
        "train@emotion cannot be done: faces.csv, row 3: too short; mend it",
        "Not run, since they need it: evaluate. The next run goes on from here.",
    ]
    assert "| evaluate | NotReady |" in graph.page()
    assert graph.tries("train@emotion") == 1
    (graph.project / "refuse-train@emotion").unlink()
    graph.pipeline()
    assert graph.states() == {**dict.fromkeys(others, "Skipped"), "train@emotion": "Completed", "evaluate": "Completed"}


def test_what_was_made_before_is_restored_and_asked_for_stages_run(graph: Graph) -> None:
    graph.say("source.txt", "one")
    graph.pipeline("train@keypoints")
    assert graph.states() == {"ingest": "Restored", "train@keypoints": "Restored"}
    assert graph.children() == set()
    graph.pipeline("--force", "train@keypoints")
    assert graph.states() == {"ingest": "Completed", "train@keypoints": "Completed"}
    done = graph.pipeline("train@nobody", check=False)
    assert done.returncode == 1
    assert "train@nobody" in graph.last()["state"]["message"]


def test_a_stage_that_was_killed_is_tried_again(graph: Graph) -> None:
    graph.say("source.txt", "three")
    graph.say("kill-train@emotion")
    graph.pipeline()
    assert graph.states() == dict.fromkeys(STAGES, "Completed")
    assert graph.tries("train@emotion") == 2
    graph.say("source.txt", "four")
    graph.say("kill-explore")
    assert graph.pipeline(check=False).returncode == 1
    assert graph.states() == {**dict.fromkeys(STAGES, "Completed"), "explore": "Failed"}
    assert "explore failed" in graph.last()["state"]["message"]


def begin(graph: Graph) -> subprocess.Popen[bytes]:
    """A pipeline whose first stage waits until the file `wait-ingest` is gone."""
    graph.say("wait-ingest")
    begun, said = graph.project / "begun-ingest", graph.project.parent / "said.txt"
    begun.unlink(missing_ok=True)
    environment = environment_of(PREFECT_API_URL=graph.server)
    command = [str(BIN / "python"), "-m", "flows.pipeline"]
    with said.open("w") as output:
        began = subprocess.Popen(command, cwd=graph.project, env=environment, stdout=output, stderr=output)
    wait_for(lambda: begun.exists() or began.poll() is not None)
    assert began.poll() is None, said.read_text()
    return began


def left_in(project: Path) -> list[str]:
    found = psutil.process_iter(["cmdline", "cwd", "status"])
    return [
        " ".join(p.info["cmdline"]) for p in found if p.info["cwd"] == str(project) and p.info["status"] != "zombie"
    ]


def test_two_pipelines_do_not_run_at_once(graph: Graph) -> None:
    graph.say("source.txt", "five")
    began = begin(graph)
    refused = graph.pipeline(check=False)
    assert refused.returncode == 1
    assert "another run of pipeline is under way here; wait for it, or end it first" in refused.stderr
    (graph.project / "wait-ingest").unlink()
    assert began.wait(PATIENCE) == 0
    graph.pipeline()
    assert graph.states() == dict.fromkeys(STAGES, "Skipped")


def test_promotion_follows_where_it_is_asked_for(graph: Graph) -> None:
    """Its story is told in test_promotion.py; here, no gate has judged anything."""
    done = graph.pipeline("--promote", check=False)
    assert done.returncode == 1
    assert graph.states() == {**dict.fromkeys(STAGES, "Skipped"), "judged networks": "Failed"}
    assert "reports/verdict.json: there is no verdict" in graph.last()["state"]["message"]


def test_without_an_api_the_remedy_is_said(graph: Graph) -> None:
    done = graph.run("python", "-m", "flows.pipeline", check=False)
    assert done.returncode == 1
    assert "`dvc repro` runs the same stages without one" in done.stderr


def test_retries_are_of_stages(graph: Graph) -> None:
    text = (graph.project / "params.yaml").read_text()
    set_params(graph.project, pipeline__retries={"trian": 1})
    done = graph.pipeline(check=False)
    (graph.project / "params.yaml").write_text(text)
    assert done.returncode == 1
    assert "pipeline.retries names trian, which is no stage" in done.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_pipeline_that_is_ended_leaves_nothing_running(graph: Graph, ending: signal.Signals) -> None:
    graph.say("source.txt", f"ended by {ending}")
    began = begin(graph)
    began.send_signal(ending)
    assert began.wait(PATIENCE) != 0
    wait_for(lambda: not left_in(graph.project))
