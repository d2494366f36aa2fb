"""Files are complete or absent, also with concurrent writers, and link targets are not overwritten."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

import tasks.release.registry
from tasks.common.files import InputError, forget_temporaries, readable, replacing, whole_folder
from tests.conftest import ROOT


def test_concurrent_writers_do_not_mix(tmp_path: Path) -> None:
    path, barrier = tmp_path / "file.txt", Barrier(8)

    def write(number: int) -> None:
        with replacing(path) as temporary:
            temporary.write_text(str(number) * 1000)
            barrier.wait(60)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    text = path.read_text()
    assert len(text) == 1000
    assert len(set(text)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_its_target_is_unchanged(tmp_path: Path) -> None:
    """DVC may link outputs to its cache."""
    cached, path = tmp_path / "cached", tmp_path / "data"
    cached.write_text("cached")
    path.symlink_to(cached)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert not path.is_symlink()
    assert (path.read_text(), cached.read_text()) == ("new", "cached")


def test_files_are_written_into_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    with replacing(tmp_path / "data/a/file.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "disk/a/file.txt").read_text() == "new"
    assert (tmp_path / "data").is_symlink()


def test_the_umask_determines_the_mode_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "file.txt") as temporary:
            temporary.write_text("new")
        with whole_folder(tmp_path / "folder") as folder:
            (folder / "file.txt").write_text("new")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"file.txt": 0o640, "folder": 0o750}


KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.common.files import replacing

with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_only_temporary_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    others = [".notes.txt", ".a.tmp.txt", ".a.0123abcd.txt", ".tmp", "a.0123abcd.tmp.txt", ".vimrc.0123abcd.tmpl"]
    for name in others:
        (tmp_path / name).touch()
    for name in ("table.csv", "table", ".hidden.tar.gz"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == len(others) + 3
    forget_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    forget_temporaries(tmp_path / "absent")


def test_an_existing_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"folder: already exists .*; remove it"), whole_folder(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "mine.txt"]


def test_two_runs_can_fetch_the_same_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gate_result = tasks.release.registry.FETCHED / "v1.0.0/gate.json"

    def fetched_meanwhile(*arguments: str) -> str:
        gate_result.parent.mkdir(parents=True)
        gate_result.write_text("of the other run")
        return ""

    monkeypatch.setattr(tasks.release.registry, "versions", lambda: ["v1.0.0"])
    monkeypatch.setattr(tasks.release.registry, "gate_result_at", lambda version: "of this run")
    monkeypatch.setattr(tasks.release.registry, "dvc", fetched_meanwhile)
    assert tasks.release.registry.fetch("v1.0.0") == gate_result
    assert gate_result.read_text() == "of the other run"
    assert [path.name for path in tasks.release.registry.FETCHED.iterdir()] == ["v1.0.0"]


def test_a_message_with_any_file_name_can_be_encoded() -> None:
    assert readable("caf\udce9 é \ud800.png") == "caf\\xe9 é \\ud800.png"
