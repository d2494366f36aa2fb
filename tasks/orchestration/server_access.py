"""Access of Prefect commands in this folder to the project's own server: `prefect.toml` and the auth string.

Git ignores both files, and only their owner can read them.
"""

import contextlib
import os
import secrets
import tomllib
from pathlib import Path

from dotenv import dotenv_values

from tasks.common.files import replacing
from tasks.orchestration import daemon
from tasks.orchestration.api_settings import AUTH, URL

CLIENT = Path("prefect.toml")
HEADER = "# Written by `make demo` and `make up`, removed by `make down`.\n"
OURS = {"api": {"url", "auth_string"}, "flows": {"heartbeat_frequency"}}
"""Sections and keys of a `prefect.toml` that this module writes. A file with any other key belongs to the user."""
HEARTBEAT_SECONDS = 30


def client_address() -> str | None:
    """Return the address in `prefect.toml` if this module wrote the file and nobody has added to it, else None."""
    try:
        text = CLIENT.read_text()
        content = tomllib.loads(text)
    except (OSError, ValueError):
        return None
    ours = text.startswith(HEADER) and all(
        isinstance(keys, dict) and keys.keys() <= OURS.get(section, set()) for section, keys in content.items()
    )
    return content.get("api", {}).get("url") if ours else None


def write_client(address: str) -> None:
    """Write `prefect.toml` with the server's address, and with the auth string unless the user sets one."""
    # Every process reads an auth string from the environment or `.env` itself.
    credentials = "" if given_auth_string() else f'auth_string = "{auth_string()}"\n'
    _write_private(
        CLIENT, f'{HEADER}[api]\nurl = "{address}"\n{credentials}\n[flows]\nheartbeat_frequency = {HEARTBEAT_SECONDS}\n'
    )


def given_auth_string() -> str | None:
    """Return the auth string that PREFECT_API_AUTH_STRING sets, in the environment or in `.env`; or None."""
    return given(AUTH)


def given(setting: str) -> str | None:
    """Return a Prefect setting from the environment, or else from `.env`, or None."""
    return os.environ.get(setting) or dotenv_values(".env").get(setting) or None


def auth_string() -> str:
    """Return the server's auth string: the user's, or a random one that is created once and kept in `.prefect/auth`."""
    if given := given_auth_string():
        return given
    path = daemon.HOME / "auth"
    with contextlib.suppress(FileNotFoundError):
        if stored := path.read_text().strip():
            path.chmod(0o600)
            return stored
    generated = f"faces:{secrets.token_urlsafe(24)}"
    _write_private(path, generated + "\n")
    return generated


def keep_credentials_apart() -> None:
    """Keep Prefect from sending the auth string of our `prefect.toml` to another API in the environment or `.env`.

    Call it before Prefect is imported: Prefect reads each setting from the first source that has it.
    """
    configured, own = given(URL), client_address()
    if configured and own and configured != own and not given_auth_string():
        os.environ[AUTH] = ""


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(text)


SERVER = "server"


def own_address() -> str | None:
    """Return the address of this project's server if it runs, else None."""
    return daemon.record(SERVER).get("address") if daemon.running(SERVER) else None


def left_over() -> str | None:
    """Return the address in our `prefect.toml` if its server no longer runs, else None."""
    address = client_address()
    return address if address and address != own_address() else None


def remove_left_over() -> None:
    """Remove our `prefect.toml` if its server no longer runs: another server may listen at its address now."""
    if left_over():
        CLIENT.unlink()
