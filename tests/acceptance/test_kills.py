"""`kill -9` in the middle of any stage, or of a promotion, leaves nothing alive and nothing broken."""

import os
import random
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
        restore_lock(project)


def restore_lock(project: Path) -> None:
    """As the README says: DVC writes `dvc.lock` in place, and one that was cut off as it was written is refused."""
    if "validation failed" in runner(project)("dvc", "status", "--quiet", check=False).stderr:
        print("dvc.lock was cut off")
        (project / "dvc.lock").unlink()


def stages_alive(project: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["cwd"] == str(project) and "-m flows." in command and process.info["status"] != "zombie":
            found.append(command)
    return found


@pytest.mark.timeout(1800)
def test_a_killed_promotion_is_completed_by_the_next(tmp_path: Path) -> None:
    story, generator = Story(tmp_path), random.Random(1)
    assert story.promote().returncode == 0
    for number in range(1, 6):
        story.change_class(0, 1e-3)
        kill_while_it_promotes(story.project, generator.uniform(0, 6))
        done = story.promote()
        lock = story.project / ".git/index.lock"
        if done.returncode:
            # Git was killed while it wrote; it asks for its lock to be removed by hand.
            assert "index.lock" in done.stderr, done.stderr
            lock.unlink()
            done = story.promote()
        assert done.returncode == 0, done.stderr
        versions = {tag for tag in story.git("tag").split() if tag.startswith("faces@")}
        assert versions == {f"faces@v1.{minor}.0" for minor in range(number + 1)}
        assert story.git("status", "--porcelain", "--", "dvc.lock", "params.yaml", "reports") == ""
        said = story.run("python", "-c", "from tasks.release.registry import in_production; print(in_production())")
        assert said.stdout.split()[-1] == f"v1.{number}.0"


def kill_while_it_promotes(project: Path, seconds: float) -> None:
    """`kill -9` of all processes of a promotion, some time after it began to push; it may have ended before."""
    command = [sys.executable, "-m", "flows.promote"]
    promotion = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert promotion.stderr is not None
    for line in promotion.stderr:
        if "pushing data and networks" in line:
            break
    else:
        raise AssertionError("it never began to push")
    time.sleep(seconds)
    os.killpg(promotion.pid, signal.SIGKILL)
    promotion.communicate()
