"""The first run in a fresh clone runs every stage; files that no stage wrote do not count as a run."""

import shutil
import subprocess
from pathlib import Path

import pytest

from flows import demo
from tests.conftest import ROOT, commit, copy_project, runner, set_params, tracked_files

MESSAGE = "No stage has run here yet: running all stages."


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the project, with the lock and the reports of earlier runs that git tracks."""
    origin = copy_project(tmp_path / "origin")
    for name in (path for path in tracked_files() if path.parts[0] in ("dvc.lock", "reports")):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, origin / name)
    set_params(origin, sample__num_samples={"keypoints": 150, "emotion": 250})
    commit(origin, "with lock and reports of earlier runs")
    subprocess.run(["git", "clone", "--quiet", origin, tmp_path / "clone"], check=True)
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


def test_the_first_run_in_a_fresh_clone_runs_every_stage_and_prints_so(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def record(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command[1:])
        return subprocess.CompletedProcess(command, 0)

    assert (clone / "data/README.md").exists()
    assert (clone / "reports/metrics/emotion.json").exists()
    (clone / "data/inbox").mkdir()
    (clone / "data/inbox/face.png").write_text("a user's")
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", record)
        assert demo.run_all(has_api=False) == 0
        assert demo.run_all(has_api=True) == 0
    assert MESSAGE in capsys.readouterr().out
    runner(clone)("dvc", "repro", "sample")
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", record)
        assert demo.run_all(has_api=False) == 0
        assert demo.run_all(has_api=True) == 0
    assert MESSAGE not in capsys.readouterr().out
    ways = ["-m", "dvc", "repro"], ["-m", "flows", "pipeline"]
    assert commands == [*([*way, "--force"] for way in ways), *ways]


def test_git_ignores_outputs_of_stages_without_ignore_files_of_dvc(clone: Path) -> None:
    runner(clone)("dvc", "repro", "sample")
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    shown = subprocess.run(status, cwd=clone, capture_output=True, text=True, check=True).stdout
    assert shown in ("", " M dvc.lock\n")
    assert [path.name for path in (clone / "data").rglob(".gitignore")] == []
    assert (clone / "data/sample/emotion.csv").exists()
