"""The pipeline on a small DVC graph: which stages run, are skipped, fail, and are not run after a failure.

Outcomes are tested twice: with the messages of DVC and of this project, and with another text in place of each.
"""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.common.files import InputError
from tasks.operations.dvc_graph import plan_of
from tests.conftest import BIN, PATIENCE, Run, commit, copy_project, environment_of, runner, set_params
from tests.orchestration.test_stage import flow_runs, post, stage_of, wait_for

STEP = '''"""A stage for tests: concatenates texts; a file makes it fail, be killed, or wait."""
import os
import signal
import time
from pathlib import Path

from tasks.common.files import InputError

from tasks.orchestration.decorators import task

NAME = os.environ.get("DVC_STAGE", "step")


@task
def work() -> None:
    error, kill = Path(f"error-{NAME}"), Path(f"kill-{NAME}")
    if error.exists():
        raise InputError(error.read_text())
    if kill.exists():
        kill.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    while Path(f"wait-{NAME}").exists():
        Path(f"started-{NAME}").touch()
        time.sleep(0.05)
    Path(f"{NAME}.txt").write_text(Path("source.txt").read_text().strip() + NAME)


def step(settings) -> None:
    """A stage for tests."""
    work()
'''
GRAPH = """
stages:
  ingest:
    cmd: exec python -m flows run step
    deps: [source.txt]
    outs: [ingest.txt]
  train:
    matrix: {model: [keypoints, emotion]}
    cmd: exec python -m flows run step
    deps: [ingest.txt]
    outs: ["train@${item.model}.txt"]
  evaluate:
    cmd: exec python -m flows run step
    deps: [train@emotion.txt]
    outs: [evaluate.txt]
  explore:
    cmd: exec python -m flows run step
    deps: [train@keypoints.txt]
    outs: [explore.txt]
"""
STAGES = ["ingest", "train@keypoints", "train@emotion", "explore", "evaluate"]
ANOTHER_TEXT = "another text"
OTHER_WORDING = f'''"""Imported at Python's start: replaces each text that is printed or logged, and of InputErrors."""
import logging
import re
import sys

from tasks.common.files import InputError


class Stream:
    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        self._stream.write(re.sub(".+", "{ANOTHER_TEXT}", text))
        return len(text)

    def writelines(self, lines):
        self.write("".join(lines))

    def __getattr__(self, name):
        return getattr(self._stream, name)


sys.stdout, sys.stderr = Stream(sys.stdout), Stream(sys.stderr)
logging.LogRecord.getMessage = lambda record: "{ANOTHER_TEXT}"
InputError.__init__ = lambda error, *args: ValueError.__init__(error, "{ANOTHER_TEXT}")
'''
OWN, OTHER = "own wording", "other wording"


class Graph:
    """A project with fast stages, the API that records it, and the results of its last pipeline run."""

    def __init__(self, project: Path, server: str, wording: str) -> None:
        other = project.parent / "other"
        other.mkdir()
        (other / "sitecustomize.py").write_text(OTHER_WORDING)
        self.python_path = "" if wording == OWN else f"{other}{os.pathsep}{project}"
        (project / "flows/stages/step.py").write_text(STEP)
        (project / "dvc.yaml").write_text(GRAPH)
        (project / "source.txt").write_text("one")
        set_params(project, pipeline__retry_delay_seconds=0)
        commit(project, "a small graph")
        self.project, self.server, self.run = project, server, runner(project)

    def pipeline(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {"PREFECT_API_URL": self.server, "PYTHONPATH": self.python_path}
        done = self.run("python", "-m", "flows", "pipeline", *arguments, check=check, **environment)
        if self.python_path:
            assert set((done.stdout + done.stderr).splitlines()) <= {ANOTHER_TEXT, ""}
        return done

    def worded(self, text: str) -> str:
        """A text of this project, or the one that replaces it."""
        return ANOTHER_TEXT if self.python_path else text

    def last(self) -> dict[str, Any]:
        return flow_runs(self.server, "pipeline")[0]

    def states(self) -> dict[str, str]:
        """The name of each stage's final state in the last run."""
        tasks = post(self.server, "task_runs/filter", {"flow_runs": {"id": {"any_": [self.last()["id"]]}}})
        names = {re.sub("-[^-]+$", "", one["name"]): one["state"]["name"] for one in tasks}
        return {name: state for name, state in names.items() if name != "report pipeline"}

    def children(self) -> set[str]:
        tasks = post(self.server, "task_runs/filter", {"flow_runs": {"id": {"any_": [self.last()["id"]]}}})
        parents = {one["id"] for one in tasks}
        return {stage_of(run) for run in flow_runs(self.server, "step") if run["parent_task_run_id"] in parents}

    def attempts(self, stage: str) -> int:
        tasks = post(self.server, "task_runs/filter", {"flow_runs": {"id": {"any_": [self.last()["id"]]}}})
        return next(one["run_count"] for one in tasks if one["name"].startswith(f"{stage}-"))

    def report(self) -> str:
        artifacts = post(
            self.server,
            "artifacts/filter",
            {"flow_runs": {"id": {"any_": [self.last()["id"]]}}, "sort": "CREATED_DESC"},
        )
        return next(one["data"] for one in artifacts if one["key"] == "pipeline")

    def message(self) -> str:
        return self.last()["state"]["message"]

    def write(self, name: str, text: str = "") -> None:
        (self.project / name).write_text(text)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, server: str) -> Graph:
    return Graph(copy_project(tmp_path_factory.mktemp("pipeline-run") / "project"), server, OWN)


@pytest.fixture
def dvc(graph: Graph) -> Run:
    return lambda *arguments, **options: graph.run("dvc", *arguments, **options)


def test_every_stage_runs_once_as_a_child_run_and_is_then_skipped(graph: Graph, dvc: Run) -> None:
    graph.pipeline()
    assert graph.last()["state"]["name"] == "Completed"
    assert graph.states() == dict.fromkeys(STAGES, "Completed")
    assert graph.children() == set(STAGES)
    assert json.loads(dvc("status", "--json").stdout) == {}
    links = re.findall(r"\[(.+?)\]\(http://127.0.0.1:\d+/runs/flow-run/([0-9a-f-]{36})\)", graph.report())
    runs = {run["id"]: stage_of(run) for run in flow_runs(graph.server, "step")}
    assert [name for name, _ in links] == [runs[run] for _, run in links]
    assert {name for name, _ in links} == set(STAGES)
    graph.pipeline()
    assert graph.states() == dict.fromkeys(STAGES, "Skipped")
    assert graph.children() == set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_a_plan_holds_the_targets_and_their_dependencies(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(graph.project)
    graph.write("source.txt", "one, changed")
    assert set(plan_of([]).needs) == set(STAGES)
    needs, changed = plan_of(["evaluate"])
    assert needs == {"ingest": [], "train@emotion": ["ingest"], "evaluate": ["train@emotion"]}
    assert changed == ["ingest"]
    with pytest.raises(InputError, match="Stage 'nobody' not found"):
        plan_of(["nobody"])


def test_a_failed_stage_stops_only_the_stages_that_depend_on_it(graph: Graph) -> None:
    graph.write("source.txt", "two")
    graph.write("error-train@emotion", "faces.csv, row 3: too short; correct it")
    done = graph.pipeline(check=False)
    assert done.returncode == 1
    others = {"ingest": "Completed", "train@keypoints": "Completed", "explore": "Completed"}
    assert graph.states() == {**others, "train@emotion": "Failed", "evaluate": "NotReady"}
    state = graph.last()["state"]
    assert state["type"] == "FAILED"
    assert state["message"] == graph.worded(
        "train@emotion cannot be done: faces.csv, row 3: too short; correct it\n"
        "Not run, since they depend on it: evaluate. The next run resumes here."
    )
    assert "| evaluate | NotReady |" in graph.report()
    assert graph.attempts("train@emotion") == 1
    (graph.project / "error-train@emotion").unlink()
    graph.pipeline()
    assert graph.states() == {**dict.fromkeys(others, "Skipped"), "train@emotion": "Completed", "evaluate": "Completed"}


def test_cached_outputs_are_restored_and_forced_stages_run(graph: Graph) -> None:
    graph.write("source.txt", "one")
    graph.pipeline("train@keypoints")
    assert graph.states() == {"ingest": "Restored", "train@keypoints": "Restored"}
    assert graph.children() == set()
    (graph.project / "train@keypoints.txt").unlink()
    graph.pipeline("train@keypoints")
    assert graph.states() == {"ingest": "Skipped", "train@keypoints": "Restored"}
    graph.write("source.txt", "one\n")
    graph.pipeline("train@keypoints")
    # The same output as before: DVC has nothing to do for the stage that depends on it.
    assert graph.states() == {"ingest": "Completed", "train@keypoints": "Skipped"}
    graph.pipeline("--force", "train@keypoints")
    assert graph.states() == {"ingest": "Completed", "train@keypoints": "Completed"}
    done = graph.pipeline("train@nobody", check=False)
    assert done.returncode == 1
    assert graph.worded("train@nobody") in graph.message()


def test_a_killed_stage_is_retried(graph: Graph) -> None:
    graph.write("source.txt", "three")
    graph.write("kill-train@emotion")
    # Of an earlier run: it says nothing about this one.
    stale = {"outcome": "failed", "message": "too short", "input_fault": True}
    graph.write(".dvc/tmp/stages/train@emotion.json", json.dumps(stale))
    graph.pipeline()
    assert graph.states() == dict.fromkeys(STAGES, "Completed")
    assert graph.attempts("train@emotion") == 2
    graph.write("source.txt", "four")
    graph.write("kill-explore")
    assert graph.pipeline(check=False).returncode == 1
    assert graph.states() == {**dict.fromkeys(STAGES, "Completed"), "explore": "Failed"}
    assert graph.worded("explore failed") in graph.message()


def start(graph: Graph) -> subprocess.Popen[bytes]:
    """A pipeline whose first stage waits until the file `wait-ingest` is removed."""
    graph.write("wait-ingest")
    started, log = graph.project / "started-ingest", graph.project.parent / "log.txt"
    started.unlink(missing_ok=True)
    environment = environment_of(PREFECT_API_URL=graph.server)
    command = [str(BIN / "python"), "-m", "flows", "pipeline"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=graph.project, env=environment, stdout=output, stderr=output)
    wait_for(lambda: started.exists() or process.poll() is not None)
    assert process.poll() is None, log.read_text()
    return process


def processes_in(project: Path) -> list[str]:
    """Command lines of the processes that run in a project."""
    every = psutil.process_iter(["cmdline", "cwd", "status"])
    return [
        " ".join(p.info["cmdline"]) for p in every if p.info["cwd"] == str(project) and p.info["status"] != "zombie"
    ]


def test_two_pipelines_do_not_run_at_once(graph: Graph) -> None:
    graph.write("source.txt", "five")
    first = start(graph)
    second = graph.pipeline(check=False)
    assert second.returncode == 1
    assert "another run of pipeline is in progress here; wait for it, or end it first" in second.stderr
    (graph.project / "wait-ingest").unlink()
    assert first.wait(PATIENCE) == 0
    graph.pipeline()
    assert graph.states() == dict.fromkeys(STAGES, "Skipped")


def test_promotion_follows_with_the_option(graph: Graph) -> None:
    """test_promotion.py tests promotion itself; here, there is no gate result."""
    done = graph.pipeline("--promote", check=False)
    assert done.returncode == 1
    assert graph.states() == {**dict.fromkeys(STAGES, "Skipped"), "load approved models": "Failed"}
    assert "reports/gate.json: there is no gate result" in graph.message()


def test_without_an_api_the_remedy_is_named(graph: Graph) -> None:
    done = graph.run("python", "-m", "flows", "pipeline", check=False)
    assert done.returncode == 1
    assert "`dvc repro` runs the same stages without one" in done.stderr


def test_retries_must_name_stages(graph: Graph) -> None:
    text = (graph.project / "params.yaml").read_text()
    set_params(graph.project, pipeline__retries={"trian": 1})
    done = graph.pipeline(check=False)
    (graph.project / "params.yaml").write_text(text)
    assert done.returncode == 1
    assert "pipeline.retries names trian, which is no stage" in done.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_terminated_pipeline_leaves_no_process(graph: Graph, ending: signal.Signals) -> None:
    graph.write("source.txt", f"ended by {ending}")
    process = start(graph)
    process.send_signal(ending)
    assert process.wait(PATIENCE) != 0
    wait_for(lambda: not processes_in(graph.project))
