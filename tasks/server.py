"""The project's own Prefect server, on loopback: its process, its address and its credentials.

Everything about it lies in `.prefect/`. While it runs, `prefect.toml` gives its address and credentials to every
Prefect command in this folder. Git ignores both.

A web page in the operator's browser can reach loopback, and Prefect's API runs commands. So the server requires an
auth string (`user:password`) on every request and websocket, and a CSRF token on every write.
"""

import contextlib
import os
import secrets
import socket
import sqlite3
import sys
import time
import tomllib
from pathlib import Path

import psutil
from dotenv import dotenv_values

from tasks import background, host
from tasks.api_settings import AUTH, URL, is_prefect
from tasks.files import InputError, replacing

NAME = "server"
CLIENT = Path("prefect.toml")
HEADER = "# Written by `make demo` and `make up`, removed by `make down`.\n"
OURS = {"api": {"url", "auth_string"}, "flows": {"heartbeat_frequency"}}
"""Sections and keys of a `prefect.toml` that this module writes. A file with any other is a person's."""

HOST, FIRST_PORT, PORTS = "127.0.0.1", 4200, 20
START_SECONDS = 300
HEARTBEAT_SECONDS = 30
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


def own_address() -> str | None:
    """The address of the server that `start` started, if it runs."""
    return background.record(NAME).get("address") if background.running(NAME) else None


def is_guarded() -> bool:
    """Whether the running server requires the auth string; one that an earlier version started does not."""
    return bool(background.record(NAME).get("guarded"))


def left_over() -> str | None:
    """The address in a `prefect.toml` of ours whose server no longer runs, or None."""
    address = _client_address()
    return address if address and address != own_address() else None


def remove_left_over() -> None:
    """Remove a `prefect.toml` of ours whose server no longer runs: whatever answers there now is another server."""
    if left_over():
        CLIENT.unlink()


def given_auth_string() -> str | None:
    """The auth string that the user sets by PREFECT_API_AUTH_STRING, in the environment or in `.env`; or None."""
    return _given(AUTH)


def keep_credentials_apart() -> None:
    """Have Prefect send the auth string of our `prefect.toml` to no other API that the environment or `.env` names.

    Call it before Prefect is imported: Prefect reads each setting from the first source that has it.
    """
    named, own = _given(URL), _client_address()
    if named and own and named != own and not given_auth_string():
        os.environ[AUTH] = ""


def auth_string() -> str:
    """What the server requires: the user's auth string, else a random one, made once and kept in `.prefect/auth`."""
    if given := given_auth_string():
        return given
    path = background.HOME / "auth"
    with contextlib.suppress(FileNotFoundError):
        if kept := path.read_text().strip():
            path.chmod(0o600)
            return kept
    made = f"faces:{secrets.token_urlsafe(24)}"
    _write_private(path, made + "\n")
    return made


def start() -> str:
    """Start the server and give its address. Raises InputError, with the remedy, where it cannot start."""
    try:
        background.HOME.mkdir(exist_ok=True)
        background.HOME.chmod(0o700)  # artifacts hold pictures of faces
    except OSError as error:
        raise InputError(host.explained(error, background.HOME) or f"{background.HOME}: {error.strerror}") from None
    _check_database()
    stop()
    port = _free_port()
    address, origin = f"http://{HOST}:{port}/api", f"http://{HOST}:{port}"
    environment = {
        **os.environ,
        "PREFECT_SERVER_API_AUTH_STRING": auth_string(),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{origin},http://localhost:{port}",
        "PREFECT_UI_URL": origin,
        "PREFECT_HOME": str(background.HOME.resolve()),
    }
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    process = background.start(NAME, command, environment, address=address, guarded=True)
    deadline = time.monotonic() + START_SECONDS
    while background.running(NAME) and time.monotonic() < deadline:
        if is_prefect(address) and _listens(process, port):
            (background.HOME / "port").write_text(f"{port}\n")
            _write_client(address)
            return address
        time.sleep(0.5)
    stop()
    raise InputError(f"the Prefect server did not start; its log, {background.log_of(NAME)}, says why")


def stop() -> bool:
    """Stop the server that `start` started, and nothing else; whether there was one."""
    if _client_address():
        CLIENT.unlink()
    return background.stop(NAME)


def restore_client_file() -> None:
    """Write `prefect.toml` again, if it was removed while the server runs."""
    address = own_address()
    if address and not CLIENT.exists():
        _write_client(address)


def _given(setting: str) -> str | None:
    """A Prefect setting as the environment, or else `.env`, gives it."""
    return os.environ.get(setting) or dotenv_values(".env").get(setting) or None


def _client_address() -> str | None:
    """The address in `prefect.toml`, if this module wrote that file and nobody has added to it."""
    try:
        text = CLIENT.read_text()
        content = tomllib.loads(text)
    except (OSError, ValueError):
        return None
    ours = text.startswith(HEADER) and all(
        isinstance(keys, dict) and keys.keys() <= OURS.get(section, set()) for section, keys in content.items()
    )
    return content.get("api", {}).get("url") if ours else None


def _write_client(address: str) -> None:
    # An auth string from the environment or `.env` reaches every process from there; it is not written a second time.
    credentials = "" if given_auth_string() else f'auth_string = "{auth_string()}"\n'
    _write_private(
        CLIENT, f'{HEADER}[api]\nurl = "{address}"\n{credentials}\n[flows]\nheartbeat_frequency = {HEARTBEAT_SECONDS}\n'
    )


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(text)


def _free_port() -> int:
    """The port of the time before where it is free: the UI asks for the auth string once per address."""
    earlier: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        earlier = [int((background.HOME / "port").read_text())]
    for port in (*earlier, *range(FIRST_PORT, FIRST_PORT + PORTS), 0):
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            # As the server itself does: a port that was left a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise InputError(f"no free port on {HOST}")


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
    path = background.HOME / "prefect.db"
    if _given(DATABASE) or not path.exists():
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
