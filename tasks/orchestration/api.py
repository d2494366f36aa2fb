"""Which Prefect API records the runs of this process: decided once, by an explicit call when a command starts.

Without an API, Prefect is not imported, and flows and tasks are plain functions: `dvc repro` needs no server.
"""

import logging
import math
import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tasks.common.files import InputError
from tasks.orchestration import server_access
from tasks.orchestration.api_settings import URL, configured_url

PROBE_SECONDS = 10
PAUSE_SECONDS = 60
"""After a lost connection, nothing is sent for this long."""

terminal = logging.getLogger("faces")


@dataclass
class Api:
    """`url` is the API that records runs, or None; `refused` is whether it rejected the credentials or settings.

    `lost_at` is the time of the last lost connection, by `time.monotonic`.
    """

    url: str | None
    note: str
    refused: bool = False
    lost_at: float = -math.inf


_current: ContextVar[Api | None] = ContextVar("api", default=None)
"""The only state of this project's modules: what is recorded, and where, is the same for all code of a run."""


def use(api: Api | None) -> None:
    """Have flows, tasks and artifacts of this process recorded by `api`; None records nothing."""
    _current.set(api)


def recording() -> Api | None:
    """Return the API that records the runs of this process, or None."""
    api = _current.get()
    return api if api and api.url else None


def decide() -> Api:
    """Find the configured API, and whether it responds. Call it before Prefect is imported."""
    server_access.keep_credentials_apart()
    try:
        url = configured_url()
    except InputError as error:
        return Api(None, str(error), refused=True)
    if url and url == server_access.left_over():
        # Another server may listen there now. It must not receive runs, figures or credentials of this project.
        os.environ[URL] = ""
        return _without(f"the Prefect server of this folder ({url}) no longer runs, `make up` starts it")
    if not url:
        return _without("no Prefect API is configured")
    return _probed(url)


def _probed(url: str) -> Api:
    import httpx
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True, httpx_settings={"timeout": PROBE_SECONDS}) as client:
            client.read_flows(limit=1)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        if code in (401, 403):
            remedy = "set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server expects"
            return Api(None, f"the Prefect API at {url} rejects the credentials ({code}): {remedy}", refused=True)
        return _without(f"the Prefect API at {url} returns {code}")
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        return _without(f"no Prefect API responds at {url} ({type(error).__name__}: {error})")
    return Api(url, f"recorded by the Prefect API at {url}")


def _without(reason: str) -> Api:
    return Api(None, f"{reason}: running as plain functions, nothing is recorded")


def send(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `make`, which sends to the API; on failure, log a warning and return None. Nothing without an API."""
    api = recording()
    if not api or time.monotonic() - api.lost_at < PAUSE_SECONDS:
        return None
    import httpx

    try:
        return make(*args, **kwargs)
    except Exception as error:  # recording never fails the work, whatever the API returns
        if isinstance(error, httpx.TransportError):
            api.lost_at = time.monotonic()
        terminal.warning("the Prefect API did not record an artifact or event, the work continues: %s", error)
        return None
