"""The API that records runs: the configured one, or that of the project's own Prefect server, on loopback.

The server's database, log, credentials and process record are kept in `.prefect/`. While it runs, `prefect.toml`, which
every Prefect command in this folder reads, contains its address and credentials. Git ignores both.
"""

import os
import shlex
from pathlib import Path
from urllib.request import getproxies

import requests

from tasks.common.files import InputError
from tasks.operations import server
from tasks.orchestration import daemon, server_access
from tasks.orchestration.api_settings import URL, accepts, configured_url, is_prefect

WORKER = "worker"


def ensure_api() -> str:
    """Return the address of the API that records runs: the configured one, or that of this project's own server.

    Starts that server unless it runs. Raises InputError, with the remedy, if there is no usable API.
    """
    server_access.remove_left_over()
    server_access.keep_credentials_apart()
    configured, own = configured_url(), server_access.own_address()
    if configured and configured != own:
        if is_prefect(configured):
            return configured
        raise InputError(
            f"no Prefect API responds at {configured}, the address in Prefect's settings; start it, or unset it"
        )
    if own and server.is_guarded():
        _check_running(own)
        server.restore_client_file()
        return own
    if os.environ.get(URL) == "":
        raise InputError(f"{URL} is empty, so no run is recorded; unset it")
    if not own and server_access.CLIENT.exists():
        raise InputError(
            f"{server_access.CLIENT}: not a file of this project, and it sets no API; set one there, or remove it"
        )
    if own:
        _stop_unguarded()
    return server.start()


def _check_running(address: str) -> None:
    try:
        accepted = accepts(address, server_access.auth_string())
    except requests.RequestException as error:
        raise InputError(
            f"the Prefect server runs, but does not respond at {address} ({type(error).__name__}); its log is "
            f"{daemon.log_of(server_access.SERVER)}; `make down`, then `make up`, restarts it"
        ) from None
    if not accepted:
        raise InputError(
            "the Prefect server runs with another auth string than the current one; `make down`, then `make up`, "
            "restarts it with the current one"
        )


def _stop_unguarded() -> None:
    """Stop a server that an earlier version of this project started, which requires no credentials."""
    if daemon.busy(WORKER):
        raise InputError(
            "a Prefect server of an earlier version runs, which any web page can use, and its worker is busy; wait for "
            "its runs or stop them with `make down`, then `make up`"
        )
    print("Replacing the Prefect server of an earlier version, which any web page could use, by one with credentials.")
    daemon.stop(WORKER)
    server.stop()


def sign_in_help() -> str:
    """Return the instructions for using the server of this folder; empty for another API that the user configured."""
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
        "             `prefect` commands find the server only in this folder."
    )


def require_api() -> str:
    """Return the configured API's address. Raises InputError if it does not respond or rejects the credentials."""
    if gone := server_access.left_over():
        raise InputError(f"the Prefect server of this folder ({gone}) no longer runs; `make up` starts it")
    server_access.keep_credentials_apart()
    address = configured_url()
    if not address:
        raise InputError("no Prefect API is configured; `make up` starts one")
    if address == server_access.own_address():
        _check_running(address)
    elif not is_prefect(address):
        raise InputError(f"no Prefect API responds at {address}, the address in Prefect's settings")
    return address
