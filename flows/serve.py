"""The project's own Prefect server, on loopback: `python -m flows.serve up | down | status`.

Its database, log and process record live in `.prefect/`; `prefect.toml`, which every Prefect command run in this
folder reads, names its address while it runs. Both are git-ignored.
"""

import argparse
import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import requests

from tasks import background
from tasks.orchestration import configured_auth, configured_url

NAME = "server"
CLIENT = Path("prefect.toml")
HOST = "127.0.0.1"
FIRST_PORT = 4200
START_SECONDS = 180
HEARTBEAT_SECONDS = 30
"""Between two signs of life of a run; `flows.operate` has runs without any marked as crashed."""


def healthy(address: str) -> bool:
    """Whether an API answers at this address."""
    try:
        return requests.get(f"{address}/health", timeout=3).status_code < 500
    except requests.RequestException:
        return False


def _client_is_ours() -> bool:
    return CLIENT.exists() and CLIENT.read_text() == _client_text(background.record(NAME).get("address", ""))


def _client_text(address: str) -> str:
    return (
        "# Written by `make demo` and `make up`, removed by `make down`.\n"
        f'[api]\nurl = "{address}"\n\n[flows]\nheartbeat_frequency = {HEARTBEAT_SECONDS}\n'
    )


def _free_port() -> int:
    for port in (*range(FIRST_PORT, FIRST_PORT + 20), 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As the server itself does: a port that was left a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise OSError(f"no free port on {HOST}")


def up() -> str | None:
    """The address of an API that answers: the configured one, or a server started now; None where none can be."""
    address = configured_url()
    if address and healthy(address):
        return address
    # An address, or none, that somebody else configured is theirs: it is not replaced by a server of ours.
    theirs = CLIENT.exists() and not _client_is_ours()
    if "PREFECT_API_URL" in os.environ or theirs or (address and not CLIENT.exists()):
        return None
    down()
    port = _free_port()
    address = f"http://{HOST}:{port}/api"
    # No page of another site may call the API from this machine's browser, as Prefect's default lets any.
    origins = f"http://{HOST}:{port},http://localhost:{port}"
    environment = {**os.environ, "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins}
    environment["PREFECT_UI_URL"] = f"http://{HOST}:{port}"
    environment["PREFECT_HOME"] = str(background.HOME.resolve())
    if secret := configured_auth():
        environment["PREFECT_SERVER_API_AUTH_STRING"] = secret
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    background.start(NAME, command, environment, address=address)
    deadline = time.monotonic() + START_SECONDS
    while background.running(NAME) and time.monotonic() < deadline:
        if healthy(address):
            CLIENT.write_text(_client_text(address))
            return address
        time.sleep(0.5)
    down()
    return None


def down() -> bool:
    """Stop the server that `up` started, and nothing else; whether there was one."""
    if _client_is_ours():
        CLIENT.unlink()
    return background.stop(NAME)


def is_ours(address: str) -> bool:
    """Whether the API at this address is the server that `up` started."""
    return background.running(NAME) is not None and background.record(NAME).get("address") == address


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    if action == "down":
        print("The Prefect server is stopped." if down() else "There was no Prefect server of this project to stop.")
        return
    address = up() if action == "up" else configured_url()
    if not address or not healthy(address):
        sys.exit(f"No Prefect API answers; the server's log is {background.log_of(NAME)}.")
    print(f"Prefect: {address.removesuffix('/api')}")


if __name__ == "__main__":
    main()
