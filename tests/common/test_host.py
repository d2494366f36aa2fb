"""Hosts without home folder or user name, with unreadable settings, or with a full or read-only disk."""

import errno
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tasks.common import host
from tasks.common.files import InputError, replacing, whole_folder
from tests.conftest import ROOT, Run, set_params

NAMES = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")
NOBODY = """
import pwd

def unknown(uid):
    raise KeyError("getpwuid(): uid not found: 12345")

pwd.getpwuid = unknown
"""
"""A user database without this user, for child processes of a test."""


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a process without home folder, whose user is not in the user database."""
    (tmp_path / "sitecustomize.py").write_text(NOBODY)
    for name in (*NAMES, "PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILES_PATH", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }


def test_an_unknown_user_gets_a_home_folder_and_a_name(nobody: dict[str, str], tmp_path: Path) -> None:
    host.settle()
    assert Path(os.environ["HOME"]) == tmp_path / f"faces-{os.getuid()}"
    assert os.environ["USER"] == f"uid-{os.getuid()}"
    assert Path(os.environ["HOME"]).stat().st_mode & 0o777 == 0o700


def test_stages_and_dvc_run_for_an_unknown_user(nobody: dict[str, str], project: Path) -> None:
    set_params(project, sample__num_samples__keypoints=100, sample__num_samples__emotion=100)
    code = "import subprocess, sys; from tasks.common import process; process.prepare(); "
    code += "sys.exit(subprocess.run(['dvc', 'status', 'sample']).returncode)"
    for command in (["-m", "flows", "run", "sample"], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *command], cwd=project, env=nobody, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (project / "data/sample/emotion.csv").exists()
    assert "changed outs" in done.stdout


def test_make_sets_both_too(nobody: dict[str, str], project: Path, tmp_path: Path) -> None:
    (project / "more.mk").write_text("include Makefile\nshow:\n\t@echo $$HOME $$USER\n")
    shown = subprocess.run(
        ["make", "--silent", "--file", "more.mk", "show"],
        cwd=project,
        env=nobody,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert Path(shown[0]) == tmp_path / f"faces-{os.getuid()}"
    assert len(shown) == 2


def test_a_writable_home_folder_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "somebody")
    host.settle()
    assert (os.environ["HOME"], os.environ["USER"]) == (str(tmp_path), "somebody")


def test_settings_in_a_read_only_home_folder_stay_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "PREFECT_PROFILES_PATH"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    before = tmp_path / "home"
    before.mkdir()
    (before / ".gitconfig").write_text("[user]\n\tname = somebody\n")
    monkeypatch.setenv("HOME", str(before))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(host, "writable", lambda folder: folder != before)
    host.settle()
    assert os.environ["HOME"] == str(tmp_path / f"faces-{os.getuid()}")
    assert os.environ["GIT_CONFIG_GLOBAL"] == str(before / ".gitconfig")
    assert "PREFECT_PROFILES_PATH" not in os.environ


def test_a_private_folder_writable_by_others_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    planted = host.private_folder()
    planted.chmod(0o777)
    assert host.private_folder() != planted
    planted.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    planted.symlink_to(tmp_path / "elsewhere")
    assert host.private_folder() != planted


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".env", b"\xff\xfe=1"),
        ("prefect.toml", b"[api\n"),
        ("prefect.toml", b"\xff"),
        ("home/profiles.toml", b'active = "x\n'),
        ("home/profiles.toml", b"\xff\xfe"),
    ],
)
def test_unreadable_prefect_settings_give_one_error_line(project: Path, name: str, content: bytes) -> None:
    (project / "home").mkdir()
    (project / name).write_bytes(content)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    environment["PREFECT_HOME"] = str(project / "home")
    command = [sys.executable, "-m", "flows", "run", "sample"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (message,) = done.stderr.splitlines()
    assert f"{name}: Prefect's settings cannot be read" in message
    assert message.endswith("correct the file, or move it away")
    without = {**environment, "PREFECT_API_URL": ""}
    assert subprocess.run([*command[:3], "check"], cwd=project, env=without, check=False).returncode == 0


FULL: list[Any] = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
    OSError("Can't write data (file write failed: time = now, errno = 28, error message = 'No space left on device')"),
]


@pytest.mark.parametrize("error", FULL, ids=["the system", "PyArrow", "HDF5"])
def test_a_full_disk_is_named_with_its_free_space(tmp_path: Path, error: OSError) -> None:
    writing = replacing(tmp_path / "new/table.parquet")
    writing.__enter__().write_text("half")
    with pytest.raises(
        InputError, match=r"no space left on the disk mounted at /\S*: [\d.]+ MiB of [\d.]+ MiB are free"
    ):
        writing.__exit__(type(error), error, None)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("writing", [replacing, whole_folder])
def test_free_space_is_measured_before_incomplete_files_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writing: Any
) -> None:
    seen: list[bool] = []

    def explained(error: OSError, *places: Path) -> str:
        seen.append(temporary.exists())
        return "full"

    monkeypatch.setattr(host, "explained", explained)
    context = writing(tmp_path / "made")
    temporary = context.__enter__()
    temporary.touch()
    error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(InputError, match="full"):
        context.__exit__(type(error), error, None)
    assert seen == [True]
    assert not temporary.exists()


def test_a_file_without_write_permission_is_named(tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "made"))
    with pytest.raises(InputError, match="made: Permission denied for the user"), whole_folder(tmp_path / "made"):
        raise refused
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied for the user"), replacing(tmp_path / "a/table.csv"):
        pass
    tmp_path.chmod(0o700)


def test_released_models_score_from_a_checkout_without_locks(project: Path, run: Run, tmp_path: Path) -> None:
    (project / ".dvc/tmp").write_text("a file where a folder is needed, also for root")
    shutil.copyfile(ROOT / "docs/predictions.png", tmp_path / "photo.png")
    out = tmp_path / "elsewhere"
    run("python", "-m", "flows", "score", str(tmp_path / "photo.png"), "--model-set", "fast", "--out", str(out))
    assert (out / "predictions.parquet").exists()
    shown = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert shown.stdout in ("", "?? .dvc/tmp\n")


@pytest.mark.parametrize("command", [["demo"], ["score", "a.png", "--model-set", "prod"]], ids=lambda c: c[0])
def test_a_folder_without_git_gives_one_error_line_with_the_remedy(project: Path, run: Run, command: list[str]) -> None:
    shutil.rmtree(project / ".git")
    (project / "a.png").write_bytes((ROOT / "docs/predictions.png").read_bytes())
    done = run("python", "-m", "flows", *command, check=False, GIT_CEILING_DIRECTORIES=str(project.parent))
    assert done.returncode == 1
    assert "is not a git repository, as after unpacking a zip archive; run `git init`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_untrusted_checkout_gives_one_error_line_with_the_remedy(project: Path, run: Run) -> None:
    # Git treats the checkout as another user's.
    other = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = run("python", "-m", "flows", "demo", check=False, **other)
    assert done.returncode == 1
    assert "this checkout belongs to another user, and git does not trust it; run `git config --global" in done.stderr
    assert "Traceback" not in done.stderr
