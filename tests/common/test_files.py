"""Files are whole or not there, whoever else writes them, and nothing that is linked is written through."""

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


def test_threads_that_write_one_file_do_not_mix(tmp_path: Path) -> None:
    path, together = tmp_path / "file.txt", Barrier(8)

    def write(number: int) -> None:
        with replacing(path) as temporary:
            temporary.write_text(str(number) * 1000)
            together.wait(60)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    text = path.read_text()
    assert len(text) == 1000
    assert len(set(text)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    """DVC may link outputs to its cache, which holds other versions' bytes too."""
    cached, path = tmp_path / "cached", tmp_path / "data"
    cached.write_text("cached")
    path.symlink_to(cached)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert not path.is_symlink()
    assert (path.read_text(), cached.read_text()) == ("new", "cached")


def test_a_linked_folder_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    with replacing(tmp_path / "data/a/file.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "disk/a/file.txt").read_text() == "new"
    assert (tmp_path / "data").is_symlink()


def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
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


def test_what_a_kill_leaves_can_be_told_from_other_files(tmp_path: Path) -> None:
    mine = [".notes.txt", ".a.tmp.txt", ".a.0123abcd.txt", ".tmp", "a.0123abcd.tmp.txt", ".vimrc.0123abcd.tmpl"]
    for name in mine:
        (tmp_path / name).touch()
    for name in ("table.csv", "table", ".hidden.tar.gz"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == len(mine) + 3
    forget_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(mine)
    forget_temporaries(tmp_path / "absent")


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"folder: is there already .*; remove it"), whole_folder(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "mine.txt"]


def test_two_runs_that_fetch_one_version_both_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    verdict = tasks.release.registry.FETCHED / "v1.0.0/verdict.json"

    def slower(*arguments: str) -> str:
        verdict.parent.mkdir(parents=True)
        verdict.write_text("of the other run")
        return ""

    monkeypatch.setattr(tasks.release.registry, "versions", lambda: ["v1.0.0"])
    monkeypatch.setattr(tasks.release.registry, "judged_at", lambda version: "ours")
    monkeypatch.setattr(tasks.release.registry, "dvc", slower)
    assert tasks.release.registry.fetch("v1.0.0") == verdict
    assert verdict.read_text() == "of the other run"
    assert [path.name for path in tasks.release.registry.FETCHED.iterdir()] == ["v1.0.0"]


def test_a_message_with_any_name_can_be_written() -> None:
    assert readable("caf\udce9 é \ud800.png") == "caf\\xe9 é \\ud800.png"
