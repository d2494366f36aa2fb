"""An operator's night: a schedule fires by itself, a run is killed as it trains, the next one completes."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from tests.acceptance.test_kills import stages_alive
from tests.conftest import commit, copy_project, runner, set_params
from tests.test_pipeline import SMALL
from tests.test_stage import flow_runs, post, wait_for

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
        os.environ.pop("PREFECT_API_URL", None)
        self.address = runner(project)("python", "-m", "flows.operate", "up").stdout.split()[1].rstrip(";") + "/api"

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
    runner(night.project)("python", "-m", "flows.operate", "down")
    os.environ["PREFECT_API_URL"] = ""
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
    trained = [run for run in flow_runs(night.address, "train") if run["name"] == "train@emotion"]
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
    return [run for run in flow_runs(night.address, "train") if run["name"] == "train@emotion"]
