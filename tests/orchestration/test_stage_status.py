"""The status of a stage: what the process of a stage writes at its end, and what the pipeline reads."""

import signal
from pathlib import Path

import pytest

from tasks.orchestration.stage_status import StageStatus, read_status, remove_status, write_status
from tests.conftest import Run

FILE = Path(".dvc/tmp/stages/train@emotion.json")
STEP = '''"""A stage for tests, which ends as its source says."""
from pathlib import Path

from tasks.common.files import InputError


def step(settings) -> None:
    """A stage for tests."""
    exec(Path("source.txt").read_text())
'''
ENDINGS = {
    "pass": (0, StageStatus("completed", "", False)),
    "raise InputError('faces.csv, row 3:\\ntoo short')": (
        1,
        StageStatus("failed", "faces.csv, row 3:\ntoo short", True),
    ),
    "raise RuntimeError('one\\ntwo')": (1, StageStatus("failed", "RuntimeError: one", False)),
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": (130, StageStatus("interrupted", "", False)),
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": (-signal.SIGKILL, None),
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stage_of_dvc_reports_how_it_ended_and_a_run_by_hand_does_not(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    Path("flows/stages/step.py").write_text(STEP)
    for source, (exit_status, status) in ENDINGS.items():
        Path("source.txt").write_text(source)
        remove_status("step@here")
        assert run("python", "-m", "flows", "run", "step", check=False, DVC_STAGE="step@here").returncode == exit_status
        assert read_status("step@here") == status
    Path("source.txt").write_text("pass")
    run("python", "-m", "flows", "run", "step", DVC_STAGE=None)
    assert read_status("step") is None


def test_a_status_is_read_as_written_and_removed(checkout: Path) -> None:
    assert read_status("train@emotion") is None
    write_status("train@emotion", "failed", "a\n\ud800 b", input_fault=True)
    assert read_status("train@emotion") == StageStatus("failed", "a\n\ud800 b", True)
    assert [path.name for path in FILE.parent.iterdir()] == [FILE.name]
    assert read_status("train@keypoints") is None
    remove_status("train@emotion")
    assert read_status("train@emotion") is None
    remove_status("train@emotion")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b'{"outcome": "completed", "mess', b"[]", b"7", b"\xff"),
        b'{"outcome": "completed", "message": "", "x": 1}',
        b'{"outcome": "done", "message": "", "input_fault": true}',
        b'{"outcome": [], "message": 1, "input_fault": 1}',
    ],
)
def test_of_a_damaged_status_only_its_presence_counts(checkout: Path, content: bytes) -> None:
    FILE.parent.mkdir(parents=True)
    FILE.write_bytes(content)
    assert read_status("train@emotion") == StageStatus(None, "", False)


def test_a_status_that_cannot_be_written_is_no_error(checkout: Path) -> None:
    (checkout / ".dvc").write_text("a file where the folder should be")
    write_status("train@emotion", "completed")
    assert read_status("train@emotion") is None
    remove_status("train@emotion")


def test_a_status_that_cannot_be_removed_is_an_error(checkout: Path) -> None:
    FILE.mkdir(parents=True)
    with pytest.raises(OSError, match="train@emotion"):
        remove_status("train@emotion")
