"""An operator's night: a schedule fires by itself, a run is killed as it trains, the next one completes.

And an operator's guard: who does not know the word is refused, who is to know of a bad run is told, and faces unlike
those of before start a training.
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


class Night:
    """A small project with server and worker, its deployment due every minute."""

    def __init__(self, project: Path) -> None:
        set_params(project, **SMALL | {"train__sample__emotion__descent__epochs": 60})
        yaml = YAML()
        document = yaml.load(project / "prefect.yaml")
        document["deployments"][0]["schedules"] = [{"cron": "* * * * *", "timezone": "UTC"}]
        yaml.dump(document, project / "prefect.yaml")
        commit(project, "due every minute")
        self.project = project
        self.address = start_server(project, "flows.operate")

    def runs(self, *states: str) -> list[dict[str, Any]]:
        """The pipeline's runs, of all or of some types of state, the last begun first."""
        return [one for one in flow_runs(self.address, "pipeline") if not states or one["state"]["type"] in states]

    def said(self, run: str) -> str:
        found = post(self.address, "logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"})
        return "\n".join(one["message"] for one in found)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    night = Night(copy_project(tmp_path / "project"))
    yield night
    stop_server(night.project, "flows.operate")
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline", "cwd"]) if p.info["cwd"] == str(night.project)]
    assert left == []


@pytest.mark.timeout(1800)
def test_a_killed_run_is_marked_and_the_next_one_takes_its_training_up(night: Night) -> None:
    wait_for(lambda: night.runs("RUNNING"), 120)
    (killed,) = night.runs("RUNNING")
    state = night.project / "models/unfinished/emotion/seed-1.npz"
    wait_for(state.exists, 400)
    epoch = state.stat().st_mtime
    wait_for(lambda: state.stat().st_mtime > epoch, 60)
    worker = json.loads((night.project / ".prefect/worker.json").read_text())["pid"]
    for process in psutil.Process(worker).children():
        process.kill()
    wait_for(lambda: not stages_alive(night.project), 15)
    wait_for(lambda: killed["id"] in {run["id"] for run in night.runs("CRASHED")}, 60)

    # The schedule goes on by itself.
    wait_for(lambda: night.runs("COMPLETED"), 700)
    done = night.runs("COMPLETED")[-1]
    trained = [run for run in flow_runs(night.address, "train") if stage_of(run) == "train@emotion"]
    (taken_up,) = [run for run in trained if run["state"]["type"] == "COMPLETED"]
    found = re.search(r"taking up a training that was cut off after epoch (\d+)", night.said(taken_up["id"]))
    assert found
    assert int(found[1]) >= 1
    print(f"killed: {killed['name']}; completed: {done['name']}, from epoch {found[1]} of 60 on")
    # While one ran, those that came were not kept waiting.
    assert night.runs("CANCELLED")
    wait_for(lambda: {run["state"]["type"] for run in trained_now(night)} <= TERMINAL, 300)
    assert "CRASHED" in {run["state"]["type"] for run in trained_now(night)}


def trained_now(night: Night) -> list[dict[str, Any]]:
    return [run for run in flow_runs(night.address, "train") if stage_of(run) == "train@emotion"]


class Receiver(ThreadingHTTPServer):
    """What a notification reaches, on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Received)
        self.told: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Received(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
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
    """A project whose stages take no time."""
    copy_project(project)
    (project / "flows/step.py").write_text(STEP)
    (project / "dvc.yaml").write_text(GRAPH)
    (project / "source.txt").write_text("one")
    return project


def here(project: Path) -> Run:
    """Runs programs with the API that the project's folder names."""
    return functools.partial(runner(project), PREFECT_API_URL=None)


@pytest.mark.timeout(300)
def test_what_was_paused_stays_paused(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    run = here(project)
    try:
        start_server(project, "flows.operate")
        run("prefect", "deployment", "schedule", "pause", "--all", "--no-prompt")
        start_server(project, "flows.operate")
        status = run("python", "-m", "flows.operate", "status").stdout
        assert "retrain: paused; resume it in the UI" in status
        assert "score: paused; resume it in the UI" in status
    finally:
        stop_server(project, "flows.operate")


@pytest.mark.timeout(300)
def test_a_server_that_stops_in_the_middle_costs_a_warning(tmp_path: Path) -> None:
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
            wait_for((project / "begun-ingest").exists)
            (begun,) = flow_runs(address, "step")
            assert begun["state"]["type"] == "RUNNING"
            stop_server(project)
            (project / "wait-ingest").unlink()
            said, _ = repro.communicate(timeout=200)
    finally:
        stop_server(project)
    assert repro.returncode == 0, said
    assert "the work is done and counts, but the Prefect API did not learn of it" in said
    assert (project / "ingest.txt").read_text() == "oneingest"
    assert run("dvc", "status", "ingest").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.timeout(900)
def test_a_guarded_server_refuses_strangers_and_tells_of_bad_runs(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    (project / ".env").write_text("PREFECT_API_AUTH_STRING=operator:a-long-word\n")
    (project / "refuse-ingest").write_text("faces.csv, row 3: too short; mend it")
    commit(project, "a small graph whose first stage fails")
    run, receiver = here(project), Receiver()
    try:
        address = start_server(project, "flows.operate")
        for word in (None, ("operator", "another-word")):
            assert requests.get(f"{address}/admin/settings", auth=word, timeout=30).status_code == 401
        stranger = run("python", "-m", "flows.pipeline", check=False, PREFECT_API_AUTH_STRING="operator:another-word")
        assert stranger.returncode == 1
        assert "refuses us (401)" in stranger.stderr

        run("python", "-c", BLOCK, f"http://127.0.0.1:{receiver.server_port}")
        set_params(project, pipeline__notify="custom-webhook/nobody")
        refused = run("python", "-m", "flows.operate", "up", check=False)
        assert "the Prefect API has no block custom-webhook/nobody" in refused.stderr
        set_params(project, pipeline__notify="custom-webhook/alarm")
        run("python", "-m", "flows.operate", "up")
        failed = run("prefect", "deployment", "run", "pipeline/retrain", "--watch", check=False)
        assert failed.returncode == 1
        wait_for(lambda: receiver.told, 60)
        (told,) = receiver.told
        assert told["text"].startswith("retrain: Failed: pipeline · ")
        assert "ingest cannot be done: faces.csv, row 3: too short; mend it" in told["text"]
        print(told["text"])

        (project / "refuse-ingest").unlink()
        run("prefect", "deployment", "run", "pipeline/retrain", "--watch")
        run("prefect", "deployment", "run", "inbox/score", "--watch")
        AUTH_STRINGS[address] = "operator:a-long-word"
        assert "Skipped" in {one["state"]["name"] for one in flow_runs(address, "inbox")}
        status = run("python", "-m", "flows.operate", "status").stdout
        assert "worker: running" in status
        assert re.search(r"retrain: next run \d{4}-\d\d-\d\d 03:00 UTC", status)
        assert re.search(r"score: next run \d{4}-\d\d-\d\d 06:00 UTC", status)
        assert len(receiver.told) == 1
    finally:
        stop_server(project, "flows.operate")
        receiver.shutdown()
        receiver.server_close()


@pytest.mark.timeout(600)
def test_faces_that_have_drifted_start_a_training_where_that_is_bound(tmp_path: Path) -> None:
    project = small_graph(tmp_path / "project")
    faces, _ = draw_faces(np.random.default_rng(1), np.arange(40) % 5, 48, EMOTION_FRAMING)
    (project / "dark").mkdir()
    for number, face in enumerate(faces):
        cv2.imwrite(str(project / f"dark/{number:02}.png"), face // 4)
    commit(project, "a small graph, and forty dark faces")
    run = here(project)
    score = ("python", "-m", "flows.score", "dark", "--models", "released", "--out")
    try:
        address = start_server(project, "flows.operate")
        run(*score, "unbound")
        set_params(project, pipeline__retrain_on_drift=True)
        run("python", "-m", "flows.operate", "up")
        assert started_runs(address) == []
        assert "DRIFT of" in run(*score, "bound").stderr
        wait_for(lambda: started_runs(address), 60)
        wait_for(lambda: {one["state"]["type"] for one in started_runs(address)} <= TERMINAL, 120)
        assert [one["state"]["type"] for one in started_runs(address)] == ["COMPLETED"]
        artifacts = post(address, "artifacts/filter", {"artifacts": {"key": {"any_": ["drift"]}}})
        assert len(artifacts) == 2
    finally:
        stop_server(project, "flows.operate")


def started_runs(address: str) -> list[dict[str, Any]]:
    """The pipeline's runs but those that its schedule planned."""
    return [one for one in flow_runs(address, "pipeline") if not one["auto_scheduled"]]
