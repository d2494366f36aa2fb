"""Two clones on one machine, their servers killed and started in every order: each clone uses its own server."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import AUTH_STRINGS, copy_project, runner, start_server, stop_server
from tests.orchestration.test_stage import flow_runs


@pytest.mark.timeout(1800)
def test_each_clone_uses_its_own_server(tmp_path: Path) -> None:
    one, two = (copy_project(tmp_path / name) for name in ("one", "two"))
    try:
        first = start_server(one)
        secret = AUTH_STRINGS[first]
        kill(one)
        second = start_server(two)
        assert second == first, "the port of the killed server"
        output = sample(one)
        assert f"the Prefect server of this folder ({first}) no longer runs" in output
        assert runs_of(second) == 0
        again = start_server(one)
        assert again != second
        assert AUTH_STRINGS[again] == secret != AUTH_STRINGS[second]
        sample(one)
        assert (runs_of(again), runs_of(second)) == (1, 0)
        sample(two)
        assert (runs_of(again), runs_of(second)) == (1, 1)

        # The auth string of a folder is sent to its own server only.
        rejected = runner(two)(
            "python", "-m", "flows", "run", "sample", check=False, PREFECT_API_URL=again, PREFECT_API_AUTH_STRING=None
        )
        assert f"the Prefect API at {again} rejects the credentials (401)" in rejected.stderr

        stop_server(one)
        assert not (one / "prefect.toml").exists()
        assert requests.get(f"{second}/health", timeout=30).json() is True
        kill(two)
        assert start_server(one) == again, "the previous port"
        assert start_server(two) == second
        sample(two)
        assert (runs_of(again), runs_of(second)) == (1, 2)
    finally:
        stop_server(one)
        stop_server(two)


def sample(project: Path) -> str:
    """The log of the stage `sample`, which uses the API that the folder configures."""
    return runner(project)("python", "-m", "flows", "run", "sample", PREFECT_API_URL=None).stderr


def runs_of(address: str) -> int:
    return len(flow_runs(address, "sample"))


def kill(project: Path) -> None:
    process = psutil.Process(json.loads((project / ".prefect/server.json").read_text())["pid"])
    os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=30)
