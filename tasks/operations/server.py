"""The project's own Prefect server, on loopback: its process, its port and its database, which lie in `.prefect/`.

While it runs, `prefect.toml` gives its address and credentials to every Prefect command in this folder.

A web page in the operator's browser can reach loopback, and Prefect's API runs commands. So the server requires an
auth string (`user:password`) on every request and websocket, and a CSRF token on every write.
"""

import contextlib
import os
import socket
import sqlite3
import sys
import time

import psutil

from tasks.common import host
from tasks.common.files import InputError
from tasks.orchestration import daemon
from tasks.orchestration.api_settings import is_prefect
from tasks.orchestration.server_access import (
    CLIENT,
    SERVER,
    auth_string,
    client_address,
    given,
    own_address,
    write_client,
)

HOST, FIRST_PORT, PORTS = "127.0.0.1", 4200, 20
ATTEMPTS = 5
START_SECONDS = 300
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


def is_guarded() -> bool:
    """Whether the running server requires the auth string; one that an earlier version started does not."""
    return bool(daemon.record(SERVER).get("guarded"))


def start() -> str:
    """Start the server and give its address. Raises InputError, with the remedy, where it cannot start."""
    try:
        daemon.HOME.mkdir(exist_ok=True)
        daemon.HOME.chmod(0o700)  # artifacts hold pictures of faces
    except OSError as error:
        raise InputError(host.explained(error, daemon.HOME) or f"{daemon.HOME}: {error.strerror}") from None
    _check_database()
    stop()
    for _ in range(ATTEMPTS):
        port = _free_port()
        if _start_at(port):
            (daemon.HOME / "port").write_text(f"{port}\n")
            write_client(_address(port))
            return _address(port)
        stop()
        # Another server may have taken the port since it was found to be free.
        if _is_free(port):
            break
    raise InputError(f"the Prefect server did not start; its log, {daemon.log_of(SERVER)}, says why")


def _start_at(port: int) -> bool:
    """Start the server at this port; whether it answers there in time."""
    origin = f"http://{HOST}:{port}"
    environment = {
        **os.environ,
        "PREFECT_SERVER_API_AUTH_STRING": auth_string(),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{origin},http://localhost:{port}",
        "PREFECT_UI_URL": origin,
        "PREFECT_HOME": str(daemon.HOME.resolve()),
    }
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    process = daemon.start(SERVER, command, environment, address=_address(port), guarded=True)
    deadline = time.monotonic() + START_SECONDS
    while daemon.running(SERVER) and time.monotonic() < deadline:
        if _listens(process, port) and is_prefect(_address(port)):
            return True
        time.sleep(0.5)
    return False


def _address(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def stop() -> bool:
    """Stop the server that `start` started, and nothing else; whether there was one."""
    if client_address():
        CLIENT.unlink()
    return daemon.stop(SERVER)


def restore_client_file() -> None:
    """Write `prefect.toml` again, if it was removed while the server runs."""
    address = own_address()
    if address and not CLIENT.exists():
        write_client(address)


def _free_port() -> int:
    """The port of the time before where it is free: the UI asks for the auth string once per address."""
    earlier: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        earlier = [int((daemon.HOME / "port").read_text())]
    for port in (*earlier, *range(FIRST_PORT, FIRST_PORT + PORTS), 0):
        if found := _is_free(port):
            return found
    raise InputError(f"no free port on {HOST}")


def _is_free(port: int) -> int:
    """The port, or any for 0, if nothing listens there; else 0."""
    with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
        # As the server itself does: a port that was left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return int(probe.getsockname()[1])
    return 0


def _listens(process: psutil.Process, port: int) -> bool:
    """Whether it is this process, or one that it started, that listens there."""
    try:
        family = [process, *process.children(recursive=True)]
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port
            for member in family
            for one in member.net_connections("inet")
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # some systems tell no one
        return True


def _check_database() -> None:
    """Raises InputError where the SQLite file is damaged: the server would start, and fail at its requests."""
    path = daemon.HOME / "prefect.db"
    if given(DATABASE) or not path.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise InputError(
            f"{path}: the server's database cannot be used ({found}); restore it from a copy, or move it away and "
            "start again: the runs recorded in it are lost then, data and models are not"
        )
