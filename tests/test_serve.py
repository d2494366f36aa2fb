"""The server's keeper starts and stops its own, and touches nobody else's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows import serve
from tasks import background

RECORD = background.HOME / "server.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return tmp_path


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def record(pid: int, started: float) -> None:
    background.HOME.mkdir()
    RECORD.write_text(json.dumps({"pid": pid, "started": started, "address": "http://127.0.0.1:9/api"}))


def test_down_without_a_server_stops_nothing() -> None:
    assert serve.down() is False


def test_a_process_that_took_over_the_number_is_not_stopped(stranger: psutil.Process) -> None:
    record(stranger.pid, stranger.create_time() - 100)
    assert serve.down() is False
    assert stranger.is_running()
    assert not RECORD.exists()


def test_down_stops_what_was_started(stranger: psutil.Process) -> None:
    record(stranger.pid, stranger.create_time())
    serve.CLIENT.write_text(serve._client_text("http://127.0.0.1:9/api"))
    assert serve.down() is True
    assert not stranger.is_running() or stranger.status() == psutil.STATUS_ZOMBIE
    assert not serve.CLIENT.exists()


def test_somebody_else_s_address_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = '[api]\nurl = "http://127.0.0.1:9/api"\n'
    serve.CLIENT.write_text(theirs)
    assert serve.up() is None
    assert serve.CLIENT.read_text() == theirs
    serve.CLIENT.unlink()
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert serve.up() is None
    assert not RECORD.exists()


def test_a_profile_s_address_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "configured_url", lambda: "http://127.0.0.1:9/api")
    assert serve.up() is None
    assert not RECORD.exists()
    assert not serve.CLIENT.exists()


def test_an_unreadable_record_is_no_server() -> None:
    background.HOME.mkdir()
    RECORD.write_text("{")
    assert serve.down() is False
    assert not RECORD.exists()
