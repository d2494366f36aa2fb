"""The project's own Prefect server, on loopback: its process, its port and its database, all kept in `.prefect/`.

While it runs, `prefect.toml` gives its address and credentials to every Prefect command in this folder.

A web page in the operator's browser can reach loopback, and Prefect's API runs commands. So the server requires an
auth string (`user:password`) on every request and websocket, and a CSRF token on every write.
"""

import contextlib
import os
import socket
import sys
import time

import psutil

from tasks.common import host
from tasks.common.files import InputError
from tasks.operations.database import check_database
from tasks.orchestration import daemon
from tasks.orchestration.api_settings import is_prefect
from tasks.orchestration.server_access import (
    CLIENT,
    SERVER,
    auth_string,
    client_address,
    own_address,
    write_client,
)

HOST, FIRST_PORT, PORTS = "127.0.0.1", 4200, 20
ATTEMPTS = 5
START_SECONDS = 300


def is_guarded() -> bool:
    """Return whether the running server requires the auth string; one started by an earlier version does not."""
    return bool(daemon.record(SERVER).get("guarded"))


def start() -> str:
    """Start the server and return its address. Raises InputError, with the remedy, if it does not start."""
    try:
        daemon.HOME.mkdir(exist_ok=True)
        daemon.HOME.chmod(0o700)  # artifacts contain images of faces
    except OSError as error:
        raise InputError(host.explained(error, daemon.HOME) or f"{daemon.HOME}: {error.strerror}") from None
    check_database()
    stop()
    for _ in range(ATTEMPTS):
        port = _free_port()
        if _start_at(port):
            (daemon.HOME / "port").write_text(f"{port}\n")
            write_client(_address(port))
            return _address(port)
        stop()
        # Another server may have taken the port since it was checked.
        if _is_free(port):
            break
    raise InputError(f"the Prefect server did not start; see its log, {daemon.log_of(SERVER)}")


def _start_at(port: int) -> bool:
    """Start the server at this port; returns whether it responds in time."""
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
    """Stop the server that `start` started; returns whether it was running."""
    if client_address():
        CLIENT.unlink()
    return daemon.stop(SERVER)


def restore_client_file() -> None:
    """Rewrite `prefect.toml` if it was removed while the server runs."""
    address = own_address()
    if address and not CLIENT.exists():
        write_client(address)


def _free_port() -> int:
    """Return the previous port if it is free, since the UI asks for the auth string once per address; else another."""
    previous: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        previous = [int((daemon.HOME / "port").read_text())]
    for port in (*previous, *range(FIRST_PORT, FIRST_PORT + PORTS), 0):
        if free := _is_free(port):
            return free
    raise InputError(f"no free port on {HOST}")


def _is_free(port: int) -> int:
    """Return the port, or any free port for 0, if nothing listens there; else 0."""
    with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
        # As the server does, so that a recently closed port counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return int(probe.getsockname()[1])
    return 0


def _listens(process: psutil.Process, port: int) -> bool:
    """Return whether this process or a descendant of it listens at the port."""
    try:
        family = [process, *process.children(recursive=True)]
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for one in family
            for connection in one.net_connections("inet")
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # some systems forbid the query
        return True
