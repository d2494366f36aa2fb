"""`kill -9` during any stage or promotion leaves no process and no corrupt state."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tasks.common.files import sha256
from tests.conftest import BIN, copy_project, runner, set_params
from tests.flows.test_pipeline import SMALL
from tests.release.test_promotion import Story


@pytest.mark.timeout(1800)
def test_repeated_kills_lead_to_the_same_models(tmp_path: Path) -> None:
    hashes = {}
    for name in ("undisturbed", "killed"):
        project = copy_project(tmp_path / name)
        set_params(project, **SMALL)
        if name == "killed":
            kill_at_random(project, times=6)
        runner(project)("dvc", "repro")
        hashes[name] = {
            model_name: sha256(project / f"models/trained/{model_name}.keras")
            for model_name in ("keypoints", "emotion")
        }
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
        restore_lock(project)


def restore_lock(project: Path) -> None:
    """Remove a truncated `dvc.lock`, as the README says: DVC writes it in place, and rejects a truncated one."""
    if "validation failed" in runner(project)("dvc", "status", "--quiet", check=False).stderr:
        print("dvc.lock was truncated")
        (project / "dvc.lock").unlink()


def stages_alive(project: Path) -> list[str]:
    """Command lines of the stages and pipelines that run in a project, without the worker."""
    commands = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        ours = re.search(r"-m flows (run|repro|pipeline)\b", command)
        if process.info["cwd"] == str(project) and ours and process.info["status"] != "zombie":
            commands.append(command)
    return commands


@pytest.mark.timeout(1800)
def test_a_killed_promotion_is_completed_by_the_next(tmp_path: Path) -> None:
    story, generator = Story(tmp_path), random.Random(1)
    assert story.promote().returncode == 0
    for number in range(1, 6):
        story.change_class(0, 1e-3)
        kill_during_promotion(story.project, generator.uniform(0, 6))
        done = story.promote()
        lock = story.project / ".git/index.lock"
        if done.returncode:
            # Git was killed during a write, and requires that its lock is removed manually.
            assert "index.lock" in done.stderr, done.stderr
            lock.unlink()
            done = story.promote()
        assert done.returncode == 0, done.stderr
        versions = {tag for tag in story.git("tag").split() if tag.startswith("faces@")}
        assert versions == {f"faces@v1.{minor}.0" for minor in range(number + 1)}
        assert story.git("status", "--porcelain", "--", "dvc.lock", "params.yaml", "conf", "reports") == ""
        done = story.run("python", "-c", "from tasks.release.registry import in_production; print(in_production())")
        assert done.stdout.split()[-1] == f"v1.{number}.0"


def kill_during_promotion(project: Path, seconds: float) -> None:
    """`kill -9` all processes of a promotion, some seconds after it starts to push; it may have ended before."""
    command = [sys.executable, "-m", "flows", "promote"]
    promotion = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert promotion.stderr is not None
    for line in promotion.stderr:
        if "pushing data and models" in line:
            break
    else:
        raise AssertionError("the promotion did not start to push")
    time.sleep(seconds)
    os.killpg(promotion.pid, signal.SIGKILL)
    promotion.communicate()
