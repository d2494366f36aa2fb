"""Which Prefect API is configured, and whether it responds. Prefect is imported only where an API may be configured."""

import base64
import os
from pathlib import Path

import requests
from pydantic import ValidationError

from tasks.common.files import InputError

URL, AUTH = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
TIMEOUT_SECONDS = 10


def may_be_configured() -> bool:
    """Return whether Prefect's settings could name an API; importing Prefect to find out takes seconds."""
    if URL in os.environ:
        return bool(os.environ[URL])
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect"))
    try:
        profiles = home.expanduser() / "profiles.toml"
    except RuntimeError:  # no HOME, and no entry for the user
        profiles = Path("profiles.toml")
    return any(path.exists() for path in (Path("prefect.toml"), Path(".env"), profiles))


def configured_url() -> str | None:
    """Return the API's address from the environment, `.env`, `prefect.toml` or a Prefect profile, or None.

    Raises InputError if one of these cannot be read.
    """
    if not may_be_configured():
        return None
    try:
        from prefect.settings import get_current_settings

        return get_current_settings().api.url
    except Exception as error:  # each file has a parser of its own, whose errors share no base class
        raise InputError(
            f"Prefect's settings cannot be read ({_reason(error)}); correct the environment, .env or prefect.toml in "
            "this folder, or ~/.prefect/profiles.toml"
        ) from None


def _reason(error: Exception) -> str:
    """Return the error on one line; for a pydantic error, each invalid setting and the reason."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def is_prefect(address: str) -> bool:
    """Return whether a Prefect API responds at this address, with or without authentication."""
    try:
        response = requests.get(f"{address}/health", timeout=TIMEOUT_SECONDS)
        return response.status_code in (401, 403) or (response.ok and response.json() is True)
    except (requests.RequestException, ValueError):
        return False


def accepts(address: str, auth_string: str) -> bool:
    """Return whether the API accepts these credentials. Raises requests.RequestException if it does not respond."""
    headers = {"Authorization": f"Basic {base64.b64encode(auth_string.encode()).decode()}"}
    response = requests.get(f"{address}/admin/version", headers=headers, timeout=TIMEOUT_SECONDS)
    return response.status_code not in (401, 403)
