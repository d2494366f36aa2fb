"""The project's own Prefect server, on loopback: `python -m flows.serve up | down | status`.

Its database, log and process record live in `.prefect/`; `prefect.toml`, which every Prefect command run in this
folder reads, names its address while it runs. Both are git-ignored.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import requests

from tasks.files import replacing
from tasks.orchestration import configured_url

HOME = Path(".prefect")
RECORD = HOME / "server.json"
CLIENT = Path("prefect.toml")
HOST = "127.0.0.1"
FIRST_PORT = 4200
START_SECONDS = 180
SAME_START_SECONDS = 5


def _healthy(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=3).status_code < 500
    except requests.RequestException:
        return False


def _record() -> dict:
    """What `up` wrote of the server that it started; empty where there is none, or it cannot be read."""
    try:
        return json.loads(RECORD.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _server() -> psutil.Process | None:
    """The process that `up` started, if it still lives; a process that took over its number is not it."""
    try:
        process = psutil.Process(_record()["pid"])
        # Not to the tick: the clock that start times are told by may be set.
        same = abs(process.create_time() - _record()["started"]) < SAME_START_SECONDS
        return process if same and process.is_running() else None
    except (KeyError, psutil.NoSuchProcess):
        return None


def _client_is_ours() -> bool:
    return CLIENT.exists() and CLIENT.read_text() == _client_text(_record().get("address", ""))


def _client_text(address: str) -> str:
    return f'# Written by `make demo` and `make up`, removed by `make down`.\n[api]\nurl = "{address}"\n'


def _free_port() -> int:
    for port in (*range(FIRST_PORT, FIRST_PORT + 20), 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As the server itself does: a port that was left a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise OSError(f"no free port on {HOST}")


def _start(port: int, address: str) -> psutil.Process:
    HOME.mkdir(exist_ok=True)
    environment = {**os.environ, "PREFECT_HOME": str(HOME.resolve())}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with (HOME / "server.log").open("ab") as log:
        # A session of its own: it outlives this terminal and holds none of its pipes.
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    process = psutil.Process(server.pid)
    with replacing(RECORD) as temporary:
        temporary.write_text(json.dumps({"pid": process.pid, "started": process.create_time(), "address": address}))
    return process


def up() -> str | None:
    """The address of an API that answers: the configured one, or a server started now; None where none can be."""
    address = configured_url()
    if address and _healthy(address):
        return address
    # An address, or none, that somebody else configured is theirs: it is not replaced by a server of ours.
    theirs = CLIENT.exists() and not _client_is_ours()
    if "PREFECT_API_URL" in os.environ or theirs or (address and not CLIENT.exists()):
        return None
    down()
    port = _free_port()
    address = f"http://{HOST}:{port}/api"
    process = _start(port, address)
    deadline = time.monotonic() + START_SECONDS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        if _healthy(address):
            CLIENT.write_text(_client_text(address))
            return address
        time.sleep(0.5)
    down()
    return None


def down() -> bool:
    """Stop the server that `up` started, and nothing else; whether there was one."""
    process = _server()
    if process:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs([process], timeout=20)
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
    if _client_is_ours():
        CLIENT.unlink()
    RECORD.unlink(missing_ok=True)
    return process is not None


def is_ours(address: str) -> bool:
    """Whether the API at this address is the server that `up` started."""
    return _server() is not None and _record().get("address") == address


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    if action == "down":
        print("The Prefect server is stopped." if down() else "There was no Prefect server of this project to stop.")
        return
    address = up() if action == "up" else configured_url()
    if not address or not _healthy(address):
        sys.exit(f"No Prefect API answers; the server's log is {HOME / 'server.log'}.")
    print(f"Prefect: {address.removesuffix('/api')}")


if __name__ == "__main__":
    main()
