"""What Prefect commands in this folder know of the project's own server: `prefect.toml`, and the auth string.

Git ignores both, and only their owner can read them.
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
"""Sections and keys of a `prefect.toml` that this module writes. A file with any other is a person's."""
HEARTBEAT_SECONDS = 30


def client_address() -> str | None:
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


def write_client(address: str) -> None:
    # An auth string from the environment or `.env` reaches every process from there; it is not written a second time.
    credentials = "" if given_auth_string() else f'auth_string = "{auth_string()}"\n'
    _write_private(
        CLIENT, f'{HEADER}[api]\nurl = "{address}"\n{credentials}\n[flows]\nheartbeat_frequency = {HEARTBEAT_SECONDS}\n'
    )


def given_auth_string() -> str | None:
    """The auth string that the user sets by PREFECT_API_AUTH_STRING, in the environment or in `.env`; or None."""
    return given(AUTH)


def given(setting: str) -> str | None:
    """A Prefect setting as the environment, or else `.env`, gives it."""
    return os.environ.get(setting) or dotenv_values(".env").get(setting) or None


def auth_string() -> str:
    """What the server requires: the user's auth string, else a random one, made once and kept in `.prefect/auth`."""
    if given := given_auth_string():
        return given
    path = daemon.HOME / "auth"
    with contextlib.suppress(FileNotFoundError):
        if kept := path.read_text().strip():
            path.chmod(0o600)
            return kept
    made = f"faces:{secrets.token_urlsafe(24)}"
    _write_private(path, made + "\n")
    return made


def keep_credentials_apart() -> None:
    """Have Prefect send the auth string of our `prefect.toml` to no other API that the environment or `.env` names.

    Call it before Prefect is imported: Prefect reads each setting from the first source that has it.
    """
    named, own = given(URL), client_address()
    if named and own and named != own and not given_auth_string():
        os.environ[AUTH] = ""


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(text)


SERVER = "server"


def own_address() -> str | None:
    """The address of the server that `start` started, if it runs."""
    return daemon.record(SERVER).get("address") if daemon.running(SERVER) else None


def left_over() -> str | None:
    """The address in a `prefect.toml` of ours whose server no longer runs, or None."""
    address = client_address()
    return address if address and address != own_address() else None


def remove_left_over() -> None:
    """Remove a `prefect.toml` of ours whose server no longer runs: whatever answers there now is another server."""
    if left_over():
        CLIENT.unlink()
