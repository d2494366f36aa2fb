"""Inputs that differ from DVC's record: each is named, with the command that restores it."""

import hashlib
import json
import signal
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows import runner
from tasks.common.files import InputError
from tasks.orchestration import dvc_cache
from tests.conftest import copy_settings

INTACT = b"the recorded bytes"


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose stage `gate` reads a file of `train` and a folder of `prepare`, both cached."""
    monkeypatch.chdir(tmp_path)
    listing = json.dumps([{"md5": md5(INTACT), "relpath": "test.npz"}]).encode()
    outs = {"train": ("models/model.keras", md5(INTACT)), "prepare": ("data/prepared", md5(listing) + ".dir")}
    stages = {name: {"outs": [{"path": path, "md5": digest}]} for name, (path, digest) in outs.items()}
    reads = {"deps": [{"path": path} for path, _ in outs.values()]}
    one_file = {"deps": [{"path": "data/prepared/test.npz"}]}
    with Path("dvc.lock").open("w") as lock:
        YAML().dump(
            {"schema": "2.0", "stages": {**stages, "gate": reads, "other": {"deps": []}, "score": one_file}}, lock
        )
    for digest, content in ((md5(INTACT), INTACT), (md5(listing) + ".dir", listing)):
        (dvc_cache.CACHE / digest[:2]).mkdir(parents=True, exist_ok=True)
        (dvc_cache.CACHE / digest[:2] / digest[2:]).write_bytes(content)
    for path in ("models/model.keras", "data/prepared/test.npz"):
        Path(path).parent.mkdir(parents=True)
        Path(path).write_bytes(INTACT)
    return tmp_path


def cached() -> Path:
    return dvc_cache.CACHE / md5(INTACT)[:2] / md5(INTACT)[2:]


def test_an_intact_input_is_not_named(folder: Path) -> None:
    assert dvc_cache.inputs("gate") == []


def test_a_damaged_file_with_an_intact_cached_copy_is_restored(folder: Path) -> None:
    Path("data/prepared/test.npz").write_bytes(b"else")
    (line,) = dvc_cache.inputs("gate")
    assert "data/prepared/test.npz is not the file that dvc.lock records" in line
    assert "`dvc checkout --force data/prepared/test.npz` restores it" in line
    assert dvc_cache.inputs("score") == [line]
    assert dvc_cache.inputs("other") == dvc_cache.inputs("no such stage") == []


def test_a_damaged_cached_copy_must_be_removed(folder: Path) -> None:
    cached().write_bytes(b"else")
    Path("models/model.keras").write_bytes(b"else")
    (line,) = dvc_cache.inputs("gate")
    assert f"Remove {cached()} and models/model.keras, then run `dvc pull --force models/model.keras`" in line
    assert "`dvc repro --force --single-item train`" in line


def test_a_file_without_a_cached_copy_is_recreated(folder: Path) -> None:
    cached().unlink()
    Path("models/model.keras").write_bytes(b"else")
    (line,) = dvc_cache.inputs("gate")
    assert "`dvc repro --force --single-item train` recreates it" in line
    assert "Remove" not in line


@pytest.mark.parametrize("lock", [b"", b"stages: [", b"stages:\n  gate: 1\n", b"\xff"])
def test_an_unreadable_lock_names_nothing(folder: Path, lock: bytes) -> None:
    Path("dvc.lock").write_bytes(lock)
    assert dvc_cache.inputs("gate") == []


def test_a_stage_that_fails_on_a_damaged_input_names_it_without_a_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault: Exception = KeyError("a reader's own message")

    def gate(settings: object) -> None:
        raise fault

    copy_settings(folder)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    cached().write_bytes(b"else")
    Path("models/model.keras").write_bytes(b"else")
    monkeypatch.setattr(runner, "_function", lambda module, name: gate)
    monkeypatch.setattr("flows.runner._leave", sys.exit)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="1"):
        runner.run_stage("gate")
    damaged_input = capsys.readouterr().err
    assert f"Remove {cached()}" in damaged_input
    assert "Traceback" not in damaged_input
    # A stage run by hand, on a table that is newer than DVC's record.
    fault = InputError("gate.csv, row 3: too short")
    with pytest.raises(SystemExit, match="1"):
        runner.run_stage("gate")
    assert "dvc.lock" not in capsys.readouterr().err
    fault = KeyError("a reader's own message")
    Path("models/model.keras").write_bytes(INTACT)
    with pytest.raises(SystemExit, match="1"):
        runner.run_stage("gate")
    signal.signal(signal.SIGTERM, before)
    assert 'KeyError: "a reader\'s own message"' in capsys.readouterr().err
