"""The server's database is checked before the server starts. tests/acceptance/test_postgresql.py has a real one."""

import socket
import sqlite3
from pathlib import Path

import pytest

from tasks.common.files import InputError
from tasks.operations import server
from tasks.operations.database import SETTING, TLS_SETTING, check_database
from tasks.orchestration import daemon


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for setting in (SETTING, TLS_SETTING):
        monkeypatch.delenv(setting, raising=False)
    return tmp_path


def configure(folder: Path, url: str) -> None:
    (folder / ".env").write_text(f"{SETTING}={url}\n")


def test_a_damaged_file_is_named(folder: Path) -> None:
    daemon.HOME.mkdir()
    path = daemon.HOME / "prefect.db"
    with sqlite3.connect(path) as database:
        database.execute("create table runs (name text)")
        database.executemany("insert into runs values (?)", [("a long name" * 100,)] * 100)
    database.close()
    check_database()
    with path.open("r+b") as handle:
        handle.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"prefect.db: the server's database cannot be used .+; restore it"):
        server.start()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match="file is not a database"):
        server.start()
    configure(folder, f"sqlite+aiosqlite:///{folder}/other.db")
    check_database()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://faces:secret@HOST/runs", "begins with postgresql://; Prefect needs postgresql+asyncpg://"),
        ("postgresql+asyncpg://faces:secret@HOST:runs/runs", "percent-encode what has a meaning in an address"),
        ("faces:secret@HOST/runs", "is not an address such as postgresql"),
    ],
)
def test_an_address_that_is_none_is_an_error_without_its_password(url: str, message: str, folder: Path) -> None:
    configure(folder, url)
    with pytest.raises(InputError) as raised:
        server.start()
    assert message in str(raised.value)
    assert "cret" not in str(raised.value)


def test_a_server_that_does_not_respond_is_named(folder: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = nobody.getsockname()[1]
        configure(folder, f"postgresql+asyncpg://faces:secret@127.0.0.1:{port}/runs")
        with pytest.raises(InputError) as raised:
            server.start()
    assert f"the database at 127.0.0.1:{port}/runs cannot be used by faces" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_settings_of_tls_are_left_to_prefect(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(folder, "postgresql+asyncpg://faces:secret@127.0.0.1:9/runs")
    monkeypatch.setenv(TLS_SETTING, "true")
    check_database()
