"""A newcomer's first steps: clone, `make demo`, inspect, again, down. Takes minutes, so not part of `make test`."""

import json
import os
import subprocess
import time
import tomllib
from pathlib import Path

import psutil
import pytest

from tasks.orchestration.stage_files import stage_files
from tests.conftest import AUTH_STRINGS, ROOT
from tests.orchestration.test_stage import post

DEMO_SECONDS = 6 * 60


def make(target: str, project: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "VIRTUAL_"))}
    return subprocess.run(
        ["make", target], cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=1800
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory):
    project = tmp_path_factory.mktemp("clone") / "faces"
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    assert make(".venv/installed", project).returncode == 0
    yield project
    make("down", project)


def test_the_demo_takes_at_most_six_minutes_and_returns_when_piped(clone: Path) -> None:
    # Output goes through a pipe: if the server held it open, this call would not return.
    start = time.monotonic()
    done = make("demo", clone)
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    print(f"demo: {seconds:.0f} s")
    assert seconds < DEMO_SECONDS
    metrics = {
        model_name: json.loads((clone / f"reports/metrics/{model_name}.json").read_text())
        for model_name in ("keypoints", "emotion")
    }
    print(json.dumps(metrics, indent=1))
    assert metrics["emotion"]["accuracy"] >= 0.85
    assert metrics["emotion"]["baseline_pixel_logistic_accuracy"] <= 0.70
    assert metrics["keypoints"]["nme"] <= 0.06


def test_every_stage_is_a_flow_run_with_an_artifact(clone: Path) -> None:
    api = tomllib.loads((clone / "prefect.toml").read_text())["api"]
    AUTH_STRINGS[api["url"]] = api["auth_string"]
    runs = post(api["url"], "flow_runs/filter")
    assert {run["state"]["name"] for run in runs} == {"Completed"}
    stages = [run for run in runs if run["parent_task_run_id"]]
    assert len(stages) == len({run["name"] for run in stages}) == len(stage_files())
    # The one pipeline run is their parent.
    assert len(runs) == len(stages) + 1
    artifacts = post(api["url"], "artifacts/filter")
    assert {artifact["flow_run_id"] for artifact in artifacts} == {run["id"] for run in runs}


def test_a_second_demo_runs_no_stage(clone: Path) -> None:
    start = time.monotonic()
    done = make("demo", clone)
    assert done.returncode == 0
    assert "Running stage" not in done.stdout
    assert time.monotonic() - start < 60


def test_down_leaves_no_process(clone: Path) -> None:
    assert make("down", clone).returncode == 0
    running = [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(clone) in " ".join(p.info["cmdline"] or [])
    ]
    assert running == []
    assert not (clone / "prefect.toml").exists()
