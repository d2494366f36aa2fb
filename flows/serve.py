"""The project's own Prefect server, on loopback: `python -m flows.serve up | down | status`.

Its database, log, credentials and process record live in `.prefect/`; `prefect.toml`, which every Prefect command run
in this folder reads, gives its address and credentials while it runs. Both are git-ignored.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from urllib.request import getproxies

import requests

from tasks.common.files import InputError
from tasks.operations import server
from tasks.orchestration import daemon, server_access
from tasks.orchestration.api_settings import URL, accepts, configured_url, is_prefect

WORKER = "worker"


def up() -> str:
    """The address of the API to record runs with: the one that the user named, or a server of this project's own.

    Starts that server unless it runs. Raises InputError, with the remedy, where there is no API to be used.
    """
    server_access.remove_left_over()
    server_access.keep_credentials_apart()
    configured, own = configured_url(), server_access.own_address()
    if configured and configured != own:
        if is_prefect(configured):
            return configured
        raise InputError(
            f"no Prefect API answers at {configured}, which Prefect's settings name; start it, or unset it"
        )
    if own and server.is_guarded():
        _check_running(own)
        server.restore_client_file()
        return own
    if os.environ.get(URL) == "":
        raise InputError(f"{URL} is set to nothing, so no run is recorded; unset it")
    if not own and server_access.CLIENT.exists():
        raise InputError(
            f"{server_access.CLIENT}: not a file of this project, and it names no API; name one there, or remove it"
        )
    if own:
        _stop_unguarded()
    return server.start()


def _check_running(address: str) -> None:
    try:
        accepted = accepts(address, server_access.auth_string())
    except requests.RequestException as error:
        raise InputError(
            f"the Prefect server runs, but does not answer at {address} ({type(error).__name__}); its log is "
            f"{daemon.log_of(server_access.SERVER)}; `make down`, then `make up`, restarts it"
        ) from None
    if not accepted:
        raise InputError(
            "the Prefect server runs with another auth string than the one that is set now; `make down`, then "
            "`make up`, restarts it with this one"
        )


def _stop_unguarded() -> None:
    """Stop a server that an earlier version of this project started, which requires no credentials."""
    if daemon.busy(WORKER):
        raise InputError(
            "a Prefect server of an earlier version runs, which any web page can use, and its worker is busy; wait for "
            "its runs or end them with `make down`, then `make up`"
        )
    print(
        "The Prefect server of an earlier version, which any web page could use, is replaced by one with credentials."
    )
    daemon.stop(WORKER)
    server.stop()


def access() -> str:
    """What a person needs to know to use the server of this folder; empty for an API that the user named."""
    if not server_access.own_address():
        return ""
    secret = (
        "the value of PREFECT_API_AUTH_STRING" if server_access.given_auth_string() else server_access.auth_string()
    )
    proxied = "NO_PROXY=127.0.0.1 " if getproxies().keys() & {"http", "all"} else ""
    return (
        f"Sign in      {secret}\n"
        "             The UI asks for it once.\n"
        f"Commands     cd {shlex.quote(str(Path.cwd()))} && {proxied}.venv/bin/prefect deployment ls\n"
        "             Only in this folder do `prefect` commands know the server."
    )


def down() -> bool:
    """Stop the server that `up` started, and nothing else; whether there was one."""
    return server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    try:
        if action == "down":
            print(
                "The Prefect server is stopped." if down() else "There was no Prefect server of this project to stop."
            )
            return
        address = up() if action == "up" else answering()
    except InputError as error:
        sys.exit(str(error))
    print(f"Prefect: {address.removesuffix('/api')}")
    print(access())


def answering() -> str:
    """The address of the API that is configured. Raises InputError where it does not answer, or refuses us."""
    if gone := server_access.left_over():
        raise InputError(f"the Prefect server of this folder ({gone}) no longer runs; `make up` starts it")
    server_access.keep_credentials_apart()
    address = configured_url()
    if not address:
        raise InputError("no Prefect API is configured; `make up` starts one")
    if address == server_access.own_address():
        _check_running(address)
    elif not is_prefect(address):
        raise InputError(f"no Prefect API answers at {address}, which Prefect's settings name")
    return address


if __name__ == "__main__":
    main()
