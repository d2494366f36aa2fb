"""`kill -9` of `dvc repro` in the middle of any stage leaves nothing alive and nothing broken."""

import os
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tasks.files import sha256
from tests.conftest import BIN, copy_project, runner, set_params
from tests.test_pipeline import SMALL


@pytest.mark.timeout(1800)
def test_repeated_kills_end_in_the_same_models(tmp_path: Path) -> None:
    hashes = {}
    for name in ("undisturbed", "killed"):
        project = copy_project(tmp_path / name)
        set_params(project, **SMALL)
        if name == "killed":
            kill_at_random(project, times=6)
        runner(project)("dvc", "repro")
        hashes[name] = {head: sha256(project / f"models/trained/{head}.keras") for head in ("keypoints", "emotion")}
    assert hashes["killed"] == hashes["undisturbed"]


def kill_at_random(project: Path, times: int) -> None:
    generator = random.Random(1)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    for _ in range(times):
        dvc = subprocess.Popen(
            [BIN / "dvc", "repro"], cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(generator.uniform(5, 25))
        dvc.kill()
        dvc.wait()
        deadline = time.monotonic() + 10
        while alive := stages_alive(project):
            assert time.monotonic() < deadline, alive
            time.sleep(0.2)


def stages_alive(project: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["cwd"] == str(project) and "-m flows." in command and process.info["status"] != "zombie":
            found.append(command)
    return found
