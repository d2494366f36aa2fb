"""The stage runner: plain functions, top-level runs, child runs; an API that rejects credentials, or that is lost."""

import base64
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from http.server import ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
from typer.testing import CliRunner, Result

from flows import runner as flow_runner
from flows.cli import make_app
from tasks.common.files import source_of
from tasks.common.process import PARENT_TASK_RUN
from tasks.orchestration import flow_run
from tasks.orchestration.locks import exclusive_lock
from tests.conftest import (
    AUTH_STRINGS,
    PATIENCE,
    Refusing,
    copy_project,
    environment_of,
    runner,
    start_server,
    stop_server,
)

PROBE = '''"""A stage for tests: waits, then writes its output."""
import os
import time
from pathlib import Path

from tasks.common.files import InputError
from tasks.orchestration.artifacts import log_markdown, log_table
from tasks.orchestration.decorators import task


@task
def work(out: Path) -> Path:
    if "PROBE_BAD" in os.environ:
        raise InputError("faces.csv, row 3, column pixels: too short; correct it")
    log_table("probe", [{"value": float("nan"), "name": "x"}], "A table")
    Path("started").touch()
    while os.environ.get("PROBE_WAIT") and Path("started").exists():
        time.sleep(0.05)
    log_markdown("probe-text", "# Done", "A text")
    out.write_text("complete")
    return out


def probe(settings) -> None:
    """A stage for tests."""
    work(Path("probe.txt"))
'''


TRAINING = '''"""A stage for tests: an endless training."""
from pathlib import Path

import keras
import numpy as np


class Faces(keras.utils.PyDataset):
    def __len__(self):
        return 100_000

    def __getitem__(self, index):
        images = keras.ops.ones((64, 96, 96, 1))
        for _ in range(20):
            images = keras.ops.sin(images)
        return np.asarray(images), np.zeros((64, 1))


def probe(settings) -> None:
    """A stage for tests."""
    model = keras.Sequential([keras.layers.Conv2D(8, 3), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(loss="mse")
    started = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: Path("started").touch())
    model.fit(Faces(), epochs=1000, steps_per_epoch=20, shuffle=False, verbose=0, callbacks=[started])
'''


@pytest.fixture
def probe(project: Path) -> Path:
    """A copy of the project with a stage `probe`, which, with PROBE_WAIT, waits until the file `started` is removed."""
    (project / "flows/stages/probe.py").write_text(PROBE)
    return project


def start(project: Path, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "run", "probe"],
        cwd=project,
        env=environment_of(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if "PROBE_WAIT" in environment:
        wait_for(lambda: (project / "started").exists() or process.poll() is not None)
    return process


def wait_for(condition: Any, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def post(address: str, path: str, query: dict | None = None) -> Any:
    headers = credentials(address)
    client = str(uuid4())
    if "Authorization" in headers:
        csrf = requests.get(f"{address}/csrf-token", {"client": client}, headers=headers, timeout=PATIENCE).json()
        headers |= {"Prefect-Csrf-Token": csrf["token"], "Prefect-Csrf-Client": client}
    deadline = time.monotonic() + PATIENCE
    while True:
        response = requests.post(f"{address}/{path}", json=query or {}, headers=headers, timeout=PATIENCE)
        # The database may be locked; Prefect's own clients retry too.
        if response.status_code != 503 or time.monotonic() > deadline:
            response.raise_for_status()
            return response.json()
        time.sleep(1)


def credentials(address: str) -> dict[str, str]:
    """The authorization header for the API of a server that a test started; empty for another."""
    secret = AUTH_STRINGS.get(address)
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"} if secret else {}


def flow_runs(address: str, name: str) -> list[dict]:
    return post(address, "flow_runs/filter", {"flows": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC"})


def stage_of(run: dict) -> str:
    """The stage, with which a flow run's name starts; the commit follows."""
    return run["name"].partition(" · ")[0]


def test_without_an_api_stages_are_plain_functions_and_prefect_is_not_imported(probe: Path) -> None:
    code = "import sys; from flows.runner import run_stage; run_stage('probe'); assert 'prefect' not in sys.modules"
    done = runner(probe)("python", "-c", code)
    assert done.stderr.count("no Prefect API is configured: running as plain functions") == 1
    assert (probe / "probe.txt").read_text() == "complete"


def test_without_a_response_from_the_api_a_stage_warns_and_runs(probe: Path) -> None:
    done = runner(probe)("python", "-m", "flows", "run", "probe", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "no Prefect API responds at http://127.0.0.1:9/api" in done.stderr
    assert (probe / "probe.txt").exists()


def test_an_api_that_rejects_the_credentials_is_an_error(probe: Path, refusing: str) -> None:
    done = runner(probe)("python", "-m", "flows", "run", "probe", PREFECT_API_URL=refusing, check=False)
    assert done.returncode == 1
    assert "rejects the credentials (401)" in done.stderr
    assert "PREFECT_API_AUTH_STRING" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (probe / "probe.txt").exists()


def test_bad_input_is_a_message_not_a_traceback(probe: Path) -> None:
    """Under DVC, which removes the stage's outputs first, the message says how to restore them."""
    for environment in ({}, {"DVC_STAGE": "probe"}):
        done = runner(probe)("python", "-m", "flows", "run", "probe", check=False, PROBE_BAD="1", **environment)
        assert done.returncode == 1
        assert "faces.csv, row 3, column pixels: too short; correct it" in done.stderr
        assert ("dvc checkout --force" in done.stderr) == bool(environment)
        assert "Traceback" not in done.stderr


def test_a_misspelt_setting_stops_every_stage(probe: Path) -> None:
    settings = probe / "conf/recipe/sample.yaml"
    settings.write_text(settings.read_text().replace("epochs:", "epohcs:", 1))
    done = runner(probe)("python", "-m", "flows", "run", "probe", check=False)
    assert done.returncode == 1
    assert "keypoints.student.epohcs is no setting; did you mean epochs?" in done.stderr
    assert not (probe / "probe.txt").exists()


def test_a_stage_holds_an_exclusive_lock_and_reports_an_interrupt(probe: Path) -> None:
    first = start(probe, PROBE_WAIT="1")
    second = runner(probe)("python", "-m", "flows", "run", "probe", check=False)
    assert second.returncode == 1
    assert "another run of probe is in progress" in second.stderr
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130
    assert "probe was interrupted; no partial file is left" in output
    assert not (probe / "probe.txt").exists()
    (probe / "started").unlink()
    runner(probe)("python", "-m", "flows", "run", "probe")
    assert (probe / "probe.txt").exists()


def test_an_interrupted_training_ends(probe: Path) -> None:
    """Regardless of the state of TensorFlow's threads."""
    (probe / "flows/stages/probe.py").write_text(TRAINING)
    training = start(probe, PROBE_WAIT="1")
    training.send_signal(signal.SIGTERM)
    try:
        output, _ = training.communicate(timeout=PATIENCE)
    finally:
        training.kill()
    assert training.returncode == 130, output
    assert "probe was interrupted; no partial file is left" in output


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
@pytest.mark.parametrize("moment", ["while it imports", "while it works"])
def test_a_stage_ends_with_its_parent(probe: Path, moment: str) -> None:
    if moment == "while it imports":
        stage_file = probe / "flows/stages/probe.py"
        stage_file.write_text("import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(7200)\n" + PROBE)
    start_stage = "subprocess.Popen([sys.executable, '-m', 'flows', 'run', 'probe'])"
    code = f"import subprocess, sys; print({start_stage}.pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=probe,
        env={**os.environ, "PROBE_WAIT": "1", "DVC_STAGE": "probe"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout
    stage = int(parent.stdout.readline())
    wait_for(lambda: (probe / "started").exists())
    parent.kill()
    parent.communicate()
    wait_for(
        lambda: not Path(f"/proc/{stage}").exists() or "Z (" in Path(f"/proc/{stage}/status").read_text(),
    )
    assert not (probe / "probe.txt").exists()


def test_with_an_api_a_stage_is_a_run_with_tasks_and_artifacts(probe: Path, server: str) -> None:
    runner(probe)("python", "-m", "flows", "run", "probe", PREFECT_API_URL=server, DVC_STAGE="probe@here")
    run = flow_runs(server, "probe")[0]
    assert run["state"]["name"] == "Completed"
    command = ["git", "rev-parse", "--short", "HEAD"]
    # The flow `probe` is in no commit, hence the + after the hash.
    commit = subprocess.run(command, cwd=probe, capture_output=True, text=True, check=True).stdout.strip()
    assert run["name"] == f"probe@here · {commit}+"
    assert run["tags"] == [f"revision:{commit}+"]
    (task_run,) = post(server, "task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert task_run["name"].startswith("work")
    artifacts = post(server, "artifacts/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert {artifact["key"]: artifact["type"] for artifact in artifacts} == {"probe": "table", "probe-text": "markdown"}


def test_bad_input_fails_the_run_with_its_message(probe: Path, server: str) -> None:
    done = runner(probe)("python", "-m", "flows", "run", "probe", check=False, PREFECT_API_URL=server, PROBE_BAD="1")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    run = flow_runs(server, "probe")[0]
    assert run["state"]["type"] == "FAILED"
    assert run["state"]["message"] == "faces.csv, row 3, column pixels: too short; correct it"


def test_a_stage_that_a_task_started_is_its_child(probe: Path, server: str) -> None:
    code = """
import os, subprocess, sys
from prefect import flow, task
from prefect.context import TaskRunContext
@task
def stage():
    parent = str(TaskRunContext.get().task_run.id)
    environment = {**os.environ, "FACES_PARENT_TASK_RUN_ID": parent}
    subprocess.run([sys.executable, "-m", "flows", "run", "probe"], check=True, env=environment)
    return parent
@flow
def parents():
    return stage()
print("PARENT", parents())
"""
    done = runner(probe)("python", "-c", code, PREFECT_API_URL=server)
    parent = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("PARENT"))
    child = flow_runs(server, "probe")[0]
    assert [tag.partition(":")[0] for tag in child["tags"]] == ["revision"]
    assert child["parent_task_run_id"] == parent
    assert child["state"]["name"] == "Completed"


def test_a_stage_waits_until_the_api_has_recorded_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    request = httpx.Request("POST", "http://127.0.0.1:9/api/flow_runs/")
    conflict = httpx.HTTPStatusError("409", request=request, response=httpx.Response(409, request=request))
    responses: list[object] = [conflict, conflict, "a flow run"]

    class Client:
        def create_flow_run(self, flow: object, **about: object) -> object:
            response = responses.pop(0)
            if isinstance(response, Exception):
                raise response
            return response

    monkeypatch.setattr("prefect.client.orchestration.get_client", lambda **about: nullcontext(Client()))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv(PARENT_TASK_RUN, str(uuid4()))
    assert flow_run._child_run("flow", {}) == "a flow run"
    assert responses == []


def test_a_parent_that_the_api_never_records_causes_a_warning(probe: Path, server: str) -> None:
    code = """
from flows.runner import run_stage
from tasks.common import process
from tasks.orchestration import flow_run
process.prepare()
flow_run.PARENT_SECONDS = 1
run_stage("probe")
"""
    done = runner(probe)("python", "-c", code, PREFECT_API_URL=server, FACES_PARENT_TASK_RUN_ID=str(uuid4()))
    assert "this run is not linked to the pipeline run" in done.stderr
    assert "409" in done.stderr
    assert (probe / "probe.txt").read_text() == "complete"
    run = flow_runs(server, "probe")[0]
    assert run["state"]["name"] == "Completed"
    assert run["parent_task_run_id"] is None


class Failing(Refusing):
    """An API that responds to the first request, and cannot record anything."""

    def do_POST(self) -> None:
        probed = self.path.endswith("/flows/filter")
        # It has no CSRF tokens, which Prefect's API allows.
        self.send_response(200 if probed else 404 if "csrf-token" in self.path else 500)
        self.end_headers()
        self.wfile.write(b"[]" if probed else b"")

    do_GET = do_POST


def test_an_api_that_cannot_record_causes_a_warning(probe: Path) -> None:
    api = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{api.server_port}/api"
    try:
        done = runner(probe)("python", "-m", "flows", "run", "probe", PREFECT_API_URL=address)
    finally:
        api.shutdown()
        api.server_close()
    assert "the Prefect API could not create this run, which continues without it" in done.stderr
    assert "Traceback" not in done.stderr
    assert (probe / "probe.txt").read_text() == "complete"


def test_losing_the_api_during_a_run_is_a_warning(probe: Path, tmp_path: Path) -> None:
    """The server stops during the run: the stage completes, its output is valid, the exit status is 0."""
    home = copy_project(tmp_path / "home")
    address = start_server(home)
    try:
        stage = start(probe, PREFECT_API_URL=address, PROBE_WAIT="1", PREFECT_CLIENT_MAX_RETRIES="0")
    finally:
        stop_server(home)
    (probe / "started").unlink()
    output, _ = stage.communicate(timeout=PATIENCE)
    assert stage.returncode == 0, output
    assert "the stage is complete, but the Prefect API did not record its end" in output
    assert "Traceback" not in output
    assert (probe / "probe.txt").read_text() == "complete"


CommandLine = Callable[..., Result]


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> tuple[CommandLine, list[tuple]]:
    """A function that runs a command line, and the calls of the runner that this made."""
    calls: list[tuple] = []
    monkeypatch.setattr(flow_runner, "run_stage", lambda *call: calls.append(call))
    monkeypatch.setattr(flow_runner, "run_command", lambda *call, **options: calls.append((*call, options)))
    return (lambda *words: CliRunner().invoke(make_app(), list(words))), calls


def test_a_command_s_arguments_and_options_are_the_flow_s_parameters(
    command_line: tuple[CommandLine, list[tuple]],
) -> None:
    run, calls = command_line
    commands = (
        ("score", "a.png", "--model-set", "fast", "--mode", "whole", "--csv", "--out", "here", "--classes", "all"),
        ("score",),
        ("rollback",),
        ("rollback", "v1.0.0"),
        ("promote",),
        ("inbox", "--model-set", "v1.0.0"),
        ("pipeline", "evaluate@emotion", "--force"),
    )
    assert [run(*command).exit_code for command in commands] == [0] * len(commands)
    given: dict[str, object] = {"dask": "", "draw": False, "mode": "auto", "classes": "auto", "fps": None}
    own = {
        "sources": ["a.png"],
        "model_set": "fast",
        "mode": "whole",
        "csv": True,
        "out": "here",
        "classes": "all",
    }
    none = {"sources": [], "model_set": "workspace", "csv": False, "out": "scored"}
    assert calls == [
        ("score", "flows.score", given | own, {"into": Path("here")}),
        ("score", "flows.score", given | none, {"into": Path("scored")}),
        ("rollback", "flows.promote", {"version": "previous"}, {}),
        ("rollback", "flows.promote", {"version": "v1.0.0"}, {}),
        ("promote", "flows.promote", {}, {}),
        ("inbox", "flows.inbox", {"model_set": "v1.0.0"}, {}),
        (
            "pipeline",
            "flows.pipeline",
            {"targets": ["evaluate@emotion"], "force": True, "promote": False},
            {"needs_api": True},
        ),
    ]
    for name, module, arguments, _ in calls:
        inspect.signature(getattr(import_module(module), name)).bind("the settings", **arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["train"], "train needs one: keypoints, emotion"),
        (["train", "age"], "'age' is not one of 'keypoints', 'emotion'"),
        (["train", "emotion", "keypoints"], "unexpected extra argument"),
        (["gate", "emotion"], "gate takes none"),
        (["trian"], "there is no stage trian; name one of evaluate, explore"),
    ],
)
def test_a_stage_takes_a_model_of_the_project_if_it_has_models(
    given: list[str], message: str, command_line: tuple[CommandLine, list[tuple]]
) -> None:
    run, calls = command_line
    refused = run("run", *given)
    assert (refused.exit_code, calls) == (2, [])
    assert message in refused.output
    run("run", "train", "emotion")
    run("run", "gate")
    assert calls == [("train", "emotion"), ("gate", None)]


def test_a_source_s_name_need_not_be_utf_8(command_line: tuple[CommandLine, list[tuple]]) -> None:
    """Flows receive an escaped text, which any API accepts."""
    run, calls = command_line
    run("score", os.fsdecode(b"caf\xe9.png"), "a\\x5c.png", "b\\c.png")
    texts = calls[0][2]["sources"]
    assert texts == ["caf\\xe9.png", "a\\x5cx5c.png", "b\\c.png"]
    assert [os.fsencode(source_of(text)) for text in texts] == [b"caf\xe9.png", b"a\\x5c.png", b"b\\c.png"]


def test_scoring_locks_its_output_folder_only(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def score(settings: object, out: Path) -> None:
        done.append(out)

    def score_into(out: str) -> None:
        flow_runner.run_command("score", "flows.score", {"out": Path(out)}, into=Path(out))

    done: list[Path] = []
    monkeypatch.chdir(project)
    monkeypatch.setattr(flow_runner, "_leave", sys.exit)
    monkeypatch.setattr(flow_runner, "_function", lambda module, name: score)
    long = f"{'ж' * 90}/{'a' * 200}"
    (project / "link").symlink_to("here")
    before = signal.getsignal(signal.SIGTERM)
    with exclusive_lock("score"), exclusive_lock("score", "here"):
        score_into("elsewhere")
        score_into(long)
        for same in ("here", "other/../here", str(project / "here"), "link"):
            with pytest.raises(SystemExit, match="1"):
                score_into(same)
            assert f"another run of score into {same} is in progress here" in capsys.readouterr().err
    signal.signal(signal.SIGTERM, before)
    assert done == [Path("elsewhere"), Path(long)]
