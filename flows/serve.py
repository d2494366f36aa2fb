"""The project's own Prefect server, on loopback: `python -m flows.serve up | down | status`.

Its database, log and process record live in `.prefect/`; `prefect.toml`, which every Prefect command run in this
folder reads, names its address while it runs. Both are git-ignored.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import psutil
import requests

HOME = Path(".prefect")
RECORD = HOME / "server.json"
CLIENT = Path("prefect.toml")
HOST = "127.0.0.1"
FIRST_PORT = 4200
START_SECONDS = 180


def configured_address() -> str | None:
    """The API's address as the environment, or else `prefect.toml`, gives it; None where neither does."""
    if "PREFECT_API_URL" in os.environ:
        return os.environ["PREFECT_API_URL"] or None
    if CLIENT.exists():
        return tomllib.loads(CLIENT.read_text()).get("api", {}).get("url")
    return None


def _healthy(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=3).ok
    except requests.RequestException:
        return False


def _server() -> psutil.Process | None:
    """The process that `up` started, if it still lives; a process that took over its number is not it."""
    if not RECORD.exists():
        return None
    record = json.loads(RECORD.read_text())
    try:
        process = psutil.Process(record["pid"])
        return process if process.create_time() == record["started"] and process.is_running() else None
    except psutil.NoSuchProcess:
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        for port in (*range(FIRST_PORT, FIRST_PORT + 20), 0):
            try:
                probe.bind((HOST, port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise OSError(f"no free port on {HOST}")


def _start(port: int) -> psutil.Process:
    HOME.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PREFECT_HOME": str(HOME.resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with (HOME / "server.log").open("ab") as log:
        # A session of its own: it outlives this terminal and holds none of its pipes.
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    process = psutil.Process(server.pid)
    RECORD.write_text(json.dumps({"pid": process.pid, "started": process.create_time()}))
    return process


def up() -> str | None:
    """The address of an API that answers: the configured one, or a server started now; None where none can be."""
    address = configured_address()
    if address and _healthy(address):
        return address
    # An address, or none, that somebody else configured is theirs: it is not replaced by a server of ours.
    if "PREFECT_API_URL" in os.environ or (CLIENT.exists() and not RECORD.exists()):
        return None
    down()
    port = _free_port()
    address = f"http://{HOST}:{port}/api"
    process = _start(port)
    deadline = time.monotonic() + START_SECONDS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        if _healthy(address):
            CLIENT.write_text(
                f'# Written by `make demo` and `make up`, removed by `make down`.\n[api]\nurl = "{address}"\n'
            )
            return address
        time.sleep(0.5)
    down()
    return None


def down() -> bool:
    """Stop the server that `up` started, and nothing else; whether there was one."""
    process = _server()
    if process:
        os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs([process], timeout=20)
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
    if RECORD.exists():
        RECORD.unlink()
        CLIENT.unlink(missing_ok=True)
    return process is not None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    if action == "down":
        print("The Prefect server is stopped." if down() else "There was no Prefect server of this project to stop.")
        return
    address = up() if action == "up" else configured_address()
    if not address or not _healthy(address):
        sys.exit(f"No Prefect API answers; the server's log is {HOME / 'server.log'}.")
    print(f"Prefect: {address.removesuffix('/api')}")


if __name__ == "__main__":
    main()
