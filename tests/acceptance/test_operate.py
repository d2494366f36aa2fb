"""Scheduled operation: a schedule starts runs, a run is killed during training, the next one resumes and completes.

Also credentials, notifications of bad runs, and training that drift triggers.
"""

import functools
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import requests
from ruamel.yaml import YAML

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING
from tests.acceptance.test_kills import stages_alive
from tests.conftest import (
    AUTH_STRINGS,
    BIN,
    Run,
    commit,
    copy_project,
    environment_of,
    runner,
    set_params,
    start_server,
    stop_server,
)
from tests.flows.test_pipeline import SMALL
from tests.operations.test_pipeline_run import GRAPH, STEP
from tests.orchestration.test_stage import flow_runs, post, stage_of, wait_for

TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Operation:
    """A small project with server and worker, whose deployment runs every minute."""

    def __init__(self, project: Path) -> None:
        set_params(project, **SMALL | {"emotion__student__epochs": 60})
        yaml = YAML()
        document = yaml.load(project / "prefect.yaml")
        document["deployments"][0]["schedules"] = [{"cron": "* * * * *", "timezone": "UTC"}]
        yaml.dump(document, project / "prefect.yaml")
        commit(project, "a run every minute")
        self.project = project
        self.address = start_server(project, with_worker=True)

    def runs(self, *states: str) -> list[dict[str, Any]]:
        """The pipeline's runs, of all or of some types of state, the latest first."""
        return [one for one in flow_runs(self.address, "pipeline") if not states or one["state"]["type"] in states]

    def log(self, run: str) -> str:
        lines = post(self.address, "logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"})
        return "\n".join(one["message"] for one in lines)

    def trainings(self) -> list[dict[str, Any]]:
        """The runs of the stage `train@emotion`."""
        return [run for run in flow_runs(self.address, "train") if stage_of(run) == "train@emotion"]


@pytest.fixture
def operation(tmp_path: Path) -> Iterator[Operation]:
    operation = Operation(copy_project(tmp_path / "project"))
    yield operation
    stop_server(operation.project)
    every = psutil.process_iter(["cmdline", "cwd"])
    assert [p.info["cmdline"] for p in every if p.info["cwd"] == str(operation.project)] == []


@pytest.mark.timeout(1800)
def test_a_killed_run_is_marked_as_crashed_and_the_next_one_resumes_its_training(operation: Operation) -> None:
    wait_for(lambda: operation.runs("RUNNING"), 120)
    (killed,) = operation.runs("RUNNING")
    checkpoint = operation.project / "models/checkpoints/emotion/seed-1.npz"
    wait_for(checkpoint.exists, 400)
    written = checkpoint.stat().st_mtime
    wait_for(lambda: checkpoint.stat().st_mtime > written, 60)
    worker = json.loads((operation.project / ".prefect/worker.json").read_text())["pid"]
    for process in psutil.Process(worker).children():
        process.kill()
    wait_for(lambda: not stages_alive(operation.project), 15)
    wait_for(lambda: killed["id"] in {run["id"] for run in operation.runs("CRASHED")}, 60)

    # The schedule continues by itself.
    wait_for(lambda: operation.runs("COMPLETED"), 700)
    done = operation.runs("COMPLETED")[-1]
    (resumed,) = [run for run in operation.trainings() if run["state"]["type"] == "COMPLETED"]
    epoch = re.search(r"resuming an interrupted training after epoch (\d+)", operation.log(resumed["id"]))
    assert epoch
    assert int(epoch[1]) >= 1
    print(f"killed: {killed['name']}; completed: {done['name']}, resumed after epoch {epoch[1]} of 60")
    # Runs that were due during another run were cancelled, not queued.
    assert operation.runs("CANCELLED")
    wait_for(lambda: {run["state"]["type"] for run in operation.trainings()} <= TERMINAL, 300)
    assert "CRASHED" in {run["state"]["type"] for run in operation.trainings()}


class Receiver(ThreadingHTTPServer):
    """A receiver of notifications, on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Received)
        self.messages: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Received(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
block = CustomWebhookNotificationBlock(name="alarm", url=sys.argv[1], json_data={"text": "{{subject}}: {{body}}"})
block.save("alarm", overwrite=True)
"""


def small_graph(project: Path) -> Path:
    """A project with fast stages."""
    copy_project(project)
    (project / "flows/stages/step.py").write_text(STEP)
    (project / "dvc.yaml").write_text(GRAPH)
    (project / "source.txt").write_text("one")
    return project


def here(project: Path) -> Run:
    """Runs programs with the API that the project's folder configures."""
    return functools.partial(runner(project), PREFECT_API_URL=None)


@pytest.mark.timeout(300)
def test_paused_schedules_stay_paused(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    run = here(project)
    try:
        start_server(project, with_worker=True)
        run("prefect", "deployment", "schedule", "pause", "--all", "--no-prompt")
        start_server(project, with_worker=True)
        status = run("python", "-m", "flows", "status").stdout
        assert "retrain: paused; resume it in the UI" in status
        assert "score: paused; resume it in the UI" in status
    finally:
        stop_server(project)


@pytest.mark.timeout(300)
def test_a_server_that_stops_during_a_run_causes_a_warning(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    (project / "wait-ingest").touch()
    commit(project, "a small graph whose first stage waits")
    run = runner(project)
    try:
        address = start_server(project)
        environment = environment_of(PREFECT_API_URL=address)
        command = [str(BIN / "dvc"), "repro", "ingest"]
        with subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as repro:
            wait_for((project / "started-ingest").exists)
            (started,) = flow_runs(address, "step")
            assert started["state"]["type"] == "RUNNING"
            stop_server(project)
            (project / "wait-ingest").unlink()
            output, _ = repro.communicate(timeout=200)
    finally:
        stop_server(project)
    assert repro.returncode == 0, output
    assert "the stage is complete, but the Prefect API did not record its end" in output
    assert (project / "ingest.txt").read_text() == "oneingest"
    assert run("dvc", "status", "ingest").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.timeout(900)
def test_a_guarded_server_rejects_wrong_credentials_and_notifies_of_bad_runs(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    (project / ".env").write_text("PREFECT_API_AUTH_STRING=operator:a-long-password\n")
    (project / "error-ingest").write_text("faces.csv, row 3: too short; correct it")
    commit(project, "a small graph whose first stage fails")
    run, receiver = here(project), Receiver()
    try:
        address = start_server(project, with_worker=True)
        for auth in (None, ("operator", "another-password")):
            assert requests.get(f"{address}/admin/settings", auth=auth, timeout=30).status_code == 401
        rejected = run(
            "python", "-m", "flows", "pipeline", check=False, PREFECT_API_AUTH_STRING="operator:wrong-password"
        )
        assert rejected.returncode == 1
        assert "rejects the credentials (401)" in rejected.stderr

        run("python", "-c", BLOCK, f"http://127.0.0.1:{receiver.server_port}")
        set_params(project, pipeline__notification_block="custom-webhook/nobody")
        missing = run("python", "-m", "flows", "up", check=False)
        assert "the Prefect API has no block custom-webhook/nobody" in missing.stderr
        set_params(project, pipeline__notification_block="custom-webhook/alarm")
        run("python", "-m", "flows", "up")
        failed = run("prefect", "deployment", "run", "pipeline/retrain", "--watch", check=False)
        assert failed.returncode == 1
        wait_for(lambda: receiver.messages, 60)
        (message,) = receiver.messages
        assert message["text"].startswith("retrain: Failed: pipeline · ")
        assert "ingest cannot be done: faces.csv, row 3: too short; correct it" in message["text"]
        print(message["text"])

        (project / "error-ingest").unlink()
        run("prefect", "deployment", "run", "pipeline/retrain", "--watch")
        run("prefect", "deployment", "run", "inbox/score", "--watch")
        AUTH_STRINGS[address] = "operator:a-long-password"
        assert "Skipped" in {one["state"]["name"] for one in flow_runs(address, "inbox")}
        status = run("python", "-m", "flows", "status").stdout
        assert "worker: running" in status
        assert re.search(r"retrain: next run \d{4}-\d\d-\d\d 03:00 UTC", status)
        assert re.search(r"score: next run \d{4}-\d\d-\d\d 06:00 UTC", status)
        assert len(receiver.messages) == 1
    finally:
        stop_server(project)
        receiver.shutdown()
        receiver.server_close()


@pytest.mark.timeout(600)
def test_drift_triggers_a_training_if_enabled(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    images, _ = draw_faces(np.random.default_rng(1), np.arange(40) % 5, 48, EMOTION_FRAMING)
    (project / "dark").mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(project / f"dark/{number:02}.png"), image // 4)
    commit(project, "a small graph, and forty dark faces")
    run = here(project)
    score = ("python", "-m", "flows", "score", "dark", "--model-set", "released", "--out")
    try:
        address = start_server(project, with_worker=True)
        run(*score, "disabled")
        set_params(project, pipeline__retrain_on_drift=True)
        run("python", "-m", "flows", "up")
        assert started_runs(address) == []
        assert "DRIFT of" in run(*score, "enabled").stderr
        wait_for(lambda: started_runs(address), 60)
        wait_for(lambda: {one["state"]["type"] for one in started_runs(address)} <= TERMINAL, 120)
        assert [one["state"]["type"] for one in started_runs(address)] == ["COMPLETED"]
        artifacts = post(address, "artifacts/filter", {"artifacts": {"key": {"any_": ["drift"]}}})
        assert len(artifacts) == 2
    finally:
        stop_server(project)


def started_runs(address: str) -> list[dict[str, Any]]:
    """The pipeline's runs without scheduled ones."""
    return [one for one in flow_runs(address, "pipeline") if not one["auto_scheduled"]]
