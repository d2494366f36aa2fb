"""Prefect, or plain functions that log: decided once, when this module is imported.

Nothing else in `flows/` or `tasks/` imports Prefect, and where no API is configured it is not imported at all:
`dvc repro` needs no server.
"""

import base64
import fcntl
import functools
import hashlib
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from params import SettingsError
from tasks.files import InputError
from tasks.revision import revision

P = ParamSpec("P")
R = TypeVar("R")

PARENT_TASK_RUN = "FACES_PARENT_TASK_RUN_ID"
"""Environment variable by which a pipeline's task names itself to the stage that it starts."""

PROBE_SECONDS = 10

console = Console(width=None if sys.stdout.isatty() else 120)
terminal = logging.getLogger("faces")


@dataclass(frozen=True)
class Api:
    """What was decided: `url` is the API that answered, or None; `refused` tells that it turned us away."""

    url: str | None
    note: str
    refused: bool = False


def _may_be_configured() -> bool:
    """Whether Prefect's own settings could name an API; looked at before Prefect, which takes seconds to import."""
    if "PREFECT_API_URL" in os.environ:
        return bool(os.environ["PREFECT_API_URL"])
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    return any(path.exists() for path in (Path("prefect.toml"), Path(".env"), home / "profiles.toml"))


def configured_url() -> str | None:
    """The API's address as the environment, `.env`, `prefect.toml` or a profile of Prefect's gives it, or None."""
    if not _may_be_configured():
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def configured_auth() -> str | None:
    """What clients show the API, from the environment, `.env`, `prefect.toml` or a profile; or None."""
    if "PREFECT_API_AUTH_STRING" not in os.environ and not _may_be_configured():
        return None
    from prefect.settings import get_current_settings

    secret = get_current_settings().api.auth_string
    return secret.get_secret_value() if secret else None


def _decide() -> Api:
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_ENABLED", "false")
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")
    url = configured_url()
    if not url:
        return Api(None, "no Prefect API is configured: running as plain functions, nothing is recorded")
    import httpx
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True, httpx_settings={"timeout": PROBE_SECONDS}) as client:
            client.read_flows(limit=1)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        if code in (401, 403):
            remedy = "set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server expects"
            return Api(None, f"the Prefect API at {url} refuses us ({code}): {remedy}", refused=True)
        return Api(None, f"the Prefect API at {url} answers {code}: running as plain functions, nothing is recorded")
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        return Api(None, f"no Prefect API answers at {url} ({why}): running as plain functions, nothing is recorded")
    return Api(url, f"recorded by the Prefect API at {url}")


api = _decide()


ended: dict[str, Exception | None] = {}
"""Flows of this process whose work has ended, with the error that ended it or None: known even if the API is lost."""


def _stating(function: Callable[P, R], note: Callable[[Exception | None], None]) -> Callable[P, R]:
    """Bad input as a Failed state with its message: an exception would fill the run's log with a traceback.

    `note` hears how the function ended.
    """
    from prefect.states import Failed

    @functools.wraps(function)
    def stating(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
        except (InputError, SettingsError) as error:
            note(error)
            return Failed(message=str(error))  # type: ignore[return-value]
        note(None)
        return result

    return stating


def task(function: Callable[P, R]) -> Callable[P, R]:
    """A Prefect task that is never cached (DVC owns caching), or the function itself."""
    if not api.url:
        return function
    from prefect import State
    from prefect import task as prefect_task
    from prefect.cache_policies import NO_CACHE

    name = function.__name__.replace("_", " ")
    recorded = prefect_task(name=name, cache_policy=NO_CACHE, persist_result=False)(
        _stating(function, lambda error: None)
    )

    @functools.wraps(function)
    def raising(*args: P.args, **kwargs: P.kwargs) -> R:
        result = recorded(*args, **kwargs)
        if isinstance(result, State):
            raise InputError(result.message)
        return result

    return raising


def flow(function: Callable[P, R]) -> Callable[P, R]:
    """A Prefect flow named like the function, or the function itself. Its runs bear the stage's name and the commit."""
    if not api.url:
        return function
    from prefect import flow as prefect_flow

    commit, name = revision(), os.environ.get("DVC_STAGE", function.__name__)
    recorded = prefect_flow(flow_run_name=f"{name} · {commit}" if commit else name, persist_result=False)

    @functools.wraps(function)
    def tagged(*args: P.args, **kwargs: P.kwargs) -> R:
        if commit:
            _tag_run(f"revision:{commit}")
        return function(*args, **kwargs)

    return recorded(_stating(tagged, functools.partial(ended.__setitem__, function.__name__)))


def _tag_run(tag: str) -> None:
    """Here, and not where the run is created: those of deployments are created by the server."""
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run

    with get_client(sync_client=True) as client:
        _send(client.update_flow_run, UUID(flow_run.id), tags=sorted({*flow_run.tags, tag}))


LOCKS = Path(".dvc/tmp/stages")


@contextmanager
def alone(name: str, folder: str | Path = "") -> Iterator[None]:
    """Hold a lock of this checkout, which the kernel frees however this process ends; InputError where it is held.

    With a `folder`, only a run into the same one is kept out.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    of_folder = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16] if folder else ""
    with (LOCKS / f"{name}{of_folder}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"{name} into {folder}" if folder else name
            raise InputError(f"another run of {what} is under way here; wait for it, or end it first") from None
        yield


class _WithoutLostApi(logging.Filter):
    """Prefect logs a lost API as a traceback of forty lines; `run` says it in one."""

    def filter(self, record: logging.LogRecord) -> bool:
        import httpx

        return not (record.exc_info and isinstance(record.exc_info[1], httpx.TransportError))


def run(flow: Callable[..., object], arguments: dict[str, object]) -> None:
    """Run a stage's flow: as a child of the pipeline's task that started it, else on its own.

    Losing the API once the work is done is a warning: its outputs are whole, and they count.
    """
    if not api.url:
        flow(**arguments)
        return
    from prefect import Flow
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    assert isinstance(flow, Flow)
    logging.getLogger("prefect.flow_runs").addFilter(_WithoutLostApi())
    parent = os.environ.get(PARENT_TASK_RUN)
    child = None
    try:
        if parent:
            with get_client(sync_client=True) as client:
                child = client.create_flow_run(flow, parameters=arguments, parent_task_run_id=UUID(parent))
        run_flow(flow, flow_run=child, parameters=arguments)
    except Exception as error:
        if flow.name not in ended:
            raise
        if failure := ended[flow.name]:
            raise failure from None
        terminal.warning("the work is done and counts, but the Prefect API did not learn of it: %s", error)


def log(message: str) -> None:
    """One line for the person who watches, in the terminal and in the run's log."""
    if api.url:
        from prefect.exceptions import MissingContextError
        from prefect.logging import get_run_logger

        try:
            get_run_logger().info(message)
            return
        except MissingContextError:
            pass
    terminal.info(message)


lost_at = -math.inf


def skipped(message: str) -> object:
    """What a flow returns that had nothing to do: its run's state is then Skipped, with the message."""
    if not api.url:
        terminal.info(message)
        return None
    from prefect.states import Completed

    return Completed(name="Skipped", message=message)


def _send(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `make` returns; None, and a warning, where the API does not take it. A lost API is left alone a minute."""
    import httpx

    global lost_at
    if time.monotonic() - lost_at < 60:
        return None
    try:
        return make(*args, **kwargs)
    except httpx.HTTPError as error:
        if isinstance(error, httpx.TransportError):
            lost_at = time.monotonic()
        terminal.warning("the Prefect API did not take what a run leaves there, the work goes on: %s", error)
        return None


def _cell(value: object) -> object:
    if isinstance(value, float):
        # Counts may come as floats; four digits of 22133 would be a wrong count.
        return "" if math.isnan(value) else int(value) if value.is_integer() else float(f"{value:.4g}")
    return value if isinstance(value, (int, str)) else str(value)


def leave_table(key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """A table artifact, drawn in the terminal too. `key` is made of a-z, 0-9 and dashes."""
    plain = [{name: _cell(value) for name, value in row.items()} for row in rows]
    table = Table()
    for name in plain[0] if plain else ["nothing"]:
        table.add_column(name)
    for row in plain:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console.print(f"\n{escape(description)}", table)
    if api.url:
        from prefect.artifacts import create_table_artifact

        _send(create_table_artifact, table=plain, key=key, description=description)


def leave_markdown(key: str, markdown: str, description: str) -> None:
    """A text artifact."""
    if api.url:
        from prefect.artifacts import create_markdown_artifact

        _send(create_markdown_artifact, markdown=markdown, key=key, description=description)


def leave_picture(key: str, path: Path, description: str) -> None:
    """A PNG file as an image artifact, its bytes inside, so that the UI draws it wherever it runs."""
    log(f"{description}: {path}")
    if api.url:
        from prefect.artifacts import create_image_artifact

        data = base64.b64encode(path.read_bytes()).decode()
        _send(create_image_artifact, image_url=f"data:image/png;base64,{data}", key=key, description=description)


def emit(event: str, payload: dict[str, Any]) -> None:
    """An event of this project, to which the API's automations can be bound; none where nothing is recorded."""
    if api.url:
        from prefect.events import emit_event

        emit_event(event, resource={"prefect.resource.id": event}, payload=payload)


class Progress:
    """A progress artifact that fills as work is done; silent where nothing is recorded."""

    def __init__(self, key: str, description: str):
        self._id: UUID | None = None
        if api.url:
            from prefect.artifacts import create_progress_artifact

            self._id = _send(create_progress_artifact, progress=0.0, key=key, description=description)

    def update(self, share: float) -> None:
        """`share` of the work done, 0..1."""
        if self._id:
            from prefect.artifacts import update_progress_artifact

            _send(update_progress_artifact, self._id, progress=100 * share)
