"""Flows, tasks and artifacts of Prefect, or plain functions that log: decided once, when this module is imported.

Stages use Prefect through this module only. Where no API is configured, Prefect is not imported: `dvc repro` needs no
server.
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
from typing import Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from params import SettingsError
from tasks.common import host
from tasks.common.files import InputError
from tasks.common.text_escaping import markdown, visible
from tasks.orchestration import server_access
from tasks.orchestration.api_settings import URL, configured_url
from tasks.orchestration.git_revision import revision
from tasks.orchestration.server_access import keep_credentials_apart

P = ParamSpec("P")
R = TypeVar("R")

PARENT_TASK_RUN = "FACES_PARENT_TASK_RUN_ID"
"""Environment variable that passes the ID of a pipeline's task run to the stage that the task starts."""

PROBE_SECONDS = 10
PARENT_SECONDS = 15

console = Console(width=None if sys.stdout.isatty() else 120)
terminal = logging.getLogger("faces")


@dataclass(frozen=True)
class Api:
    """`url` is the API that records runs, or None; `refused` is whether it rejected the credentials or settings."""

    url: str | None
    note: str
    refused: bool = False


def _decide() -> Api:
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_ENABLED", "false")
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")
    keep_credentials_apart()
    try:
        url = configured_url()
    except InputError as error:
        return Api(None, str(error), refused=True)
    if url and url == server_access.left_over():
        # Another server may listen there now. It must not receive runs, figures or credentials of this project.
        os.environ[URL] = ""
        gone = f"the Prefect server of this folder ({url}) no longer runs, `make up` starts it"
        return Api(None, f"{gone}: running as plain functions, nothing is recorded")
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
            return Api(None, f"the Prefect API at {url} rejects the credentials ({code}): {remedy}", refused=True)
        return Api(None, f"the Prefect API at {url} returns {code}: running as plain functions, nothing is recorded")
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        return Api(None, f"no Prefect API responds at {url} ({why}): running as plain functions, nothing is recorded")
    return Api(url, f"recorded by the Prefect API at {url}")


api = _decide()


started: set[str] = set()
"""Names of the flows that this process has started to run."""

finished: dict[str, Exception | None] = {}
"""The error, or None, of each flow that this process has run to its end: known even if the API is lost."""


def _failed_on_bad_input(function: Callable[P, R], on_end: Callable[[Exception | None], None]) -> Callable[P, R]:
    """Return a Failed state with the message for bad input: an exception would fill the run's log with a traceback.

    `on_end` receives the error, or None for success.
    """
    from prefect.states import Failed

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
        except (InputError, SettingsError) as error:
            on_end(error)
            return Failed(message=visible(str(error), lines=True))  # type: ignore[return-value]
        except OSError as error:
            if not (why := host.explained(error, Path())):
                raise
            on_end(InputError(why))
            return Failed(message=visible(why))  # type: ignore[return-value]
        on_end(None)
        return result

    return wrapped


def task(function: Callable[P, R]) -> Callable[P, R]:
    """Return a Prefect task that is never cached (DVC owns caching), or the function itself without an API."""
    if not api.url:
        return function
    from prefect import State
    from prefect import task as prefect_task
    from prefect.cache_policies import NO_CACHE

    name = function.__name__.replace("_", " ")
    recorded = prefect_task(name=name, cache_policy=NO_CACHE, persist_result=False)(
        _failed_on_bad_input(function, lambda error: None)
    )

    @functools.wraps(function)
    def raising(*args: P.args, **kwargs: P.kwargs) -> R:
        result = recorded(*args, **kwargs)
        if isinstance(result, State):
            raise InputError(result.message)
        return result

    return raising


def flow(function: Callable[P, R]) -> Callable[P, R]:
    """Return a Prefect flow named like the function, or the function itself without an API.

    A flow run's name consists of the stage's name and the commit.
    """
    if not api.url:
        return function
    from prefect import flow as prefect_flow

    commit, name = revision(), os.environ.get("DVC_STAGE", function.__name__)
    recorded = prefect_flow(flow_run_name=f"{name} · {commit}" if commit else name, persist_result=False)

    @functools.wraps(function)
    def tagged(*args: P.args, **kwargs: P.kwargs) -> R:
        started.add(function.__name__)
        if commit:
            _tag_run(f"revision:{commit}")
        return function(*args, **kwargs)

    return recorded(_failed_on_bad_input(tagged, functools.partial(finished.__setitem__, function.__name__)))


def _tag_run(tag: str) -> None:
    """Add a tag to the current run. Not done at creation, since the server creates the runs of deployments."""
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run

    with get_client(sync_client=True) as client:
        _send(client.update_flow_run, UUID(flow_run.id), tags=sorted({*flow_run.tags, tag}))


LOCKS = Path(".dvc/tmp/stages")


@contextmanager
def exclusive_lock(name: str, folder: str | Path = "") -> Iterator[None]:
    """Hold a lock of this checkout, which the kernel releases when the process ends. InputError if it is already held.

    With a `folder`, the lock excludes only runs that write into the same folder.
    """
    # Scoring into a folder elsewhere must work from a read-only checkout.
    locks = LOCKS if host.writable(LOCKS) or not folder else host.private_folder()
    locks.mkdir(parents=True, exist_ok=True)
    of_folder = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16] if folder else ""
    with (locks / f"{name}{of_folder}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"{name} into {folder}" if folder else name
            raise InputError(f"another run of {what} is in progress here; wait for it, or end it first") from None
        yield


class _WithoutLostApi(logging.Filter):
    """Drops Prefect's traceback of forty lines for a lost API; `run` logs one line instead."""

    def filter(self, record: logging.LogRecord) -> bool:
        import httpx

        return not (record.exc_info and isinstance(record.exc_info[1], httpx.TransportError))


def run(flow: Callable[..., object], arguments: dict[str, object]) -> None:
    """Run a stage's flow, as a child run of the pipeline's task that started it, or as a top-level run.

    Recording never fails the work. If the API cannot create the run, the stage runs without it. If the API is lost
    during the run, the stage logs a warning: its outputs are complete and valid.
    """
    if not api.url:
        flow(**arguments)
        return
    from prefect import Flow
    from prefect.flow_engine import run_flow

    assert isinstance(flow, Flow)
    logging.getLogger("prefect.flow_runs").addFilter(_WithoutLostApi())
    try:
        run_flow(flow, flow_run=_child_run(flow, arguments), parameters=arguments)
    except Exception as error:
        if flow.name not in started:
            _restart_without_api(error)
        if flow.name not in finished:
            raise
        if failure := finished[flow.name]:
            raise failure from None
        terminal.warning("the stage is complete, but the Prefect API did not record its end: %s", error)


def _child_run(flow: Any, arguments: dict[str, object]) -> Any:
    """Return the stage's flow run, a child of the task run that started it; None without such a task, or on failure.

    The API records task runs some time after they start, and returns 409 until then.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    parent, deadline = os.environ.get(PARENT_TASK_RUN), time.monotonic() + PARENT_SECONDS
    while parent:
        try:
            with get_client(sync_client=True) as client:
                return client.create_flow_run(flow, parameters=arguments, parent_task_run_id=UUID(parent))
        except (httpx.HTTPError, PrefectException, ValueError) as error:
            early = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.CONFLICT
            if not early or time.monotonic() > deadline:
                terminal.warning("this run is not linked to the pipeline run: %s", error)
                return None
            time.sleep(0.5)
    return None


def _restart_without_api(error: Exception) -> NoReturn:
    """Replace this process, whose tasks need the API, with the same command without an API."""
    terminal.warning("the Prefect API could not create this run, which continues without it: %s", error)
    os.environ[URL] = ""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def log(message: str) -> None:
    """Log one line to the terminal and to the run's log."""
    message = visible(message)
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
    """Return the state Skipped with a message, for a flow that had nothing to do; None without an API."""
    if not api.url:
        terminal.info(message)
        return None
    from prefect.states import Completed

    return Completed(name="Skipped", message=message)


def _send(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `make`; on failure, log a warning and return None. After a lost connection, no call is made for a minute."""
    import httpx

    global lost_at
    if time.monotonic() - lost_at < 60:
        return None
    try:
        return make(*args, **kwargs)
    except Exception as error:  # recording never fails the work, whatever the API returns
        if isinstance(error, httpx.TransportError):
            lost_at = time.monotonic()
        terminal.warning("the Prefect API did not record an artifact or event, the work continues: %s", error)
        return None


def _cell(value: object) -> object:
    if isinstance(value, float):
        # Counts may be floats, and 22133 rounded to four digits would be a wrong count.
        return "" if math.isnan(value) else int(value) if value.is_integer() else float(f"{value:.4g}")
    return value if isinstance(value, int) else visible(str(value))


def log_table(key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """Log a table artifact, and print it to the terminal. `key` consists of a-z, 0-9 and dashes."""
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    table = Table()
    for name in cells[0] if cells else ["nothing"]:
        table.add_column(name)
    for row in cells:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console.print(f"\n{escape(visible(description))}", table)
    if api.url:
        from prefect.artifacts import create_table_artifact

        _send(create_table_artifact, table=cells, key=key, description=markdown(description))


def log_markdown(key: str, text: str, description: str) -> None:
    """Log a Markdown artifact. The caller escapes external text with `markdown`."""
    if api.url:
        from prefect.artifacts import create_markdown_artifact

        _send(create_markdown_artifact, markdown=text, key=key, description=markdown(description))


def log_figure(key: str, path: Path, description: str) -> None:
    """Log a PNG file as an image artifact. It embeds the bytes, so that the UI shows it on any machine."""
    log(f"{description}: {path}")
    if api.url:
        from prefect.artifacts import create_image_artifact

        data = base64.b64encode(path.read_bytes()).decode()
        _send(
            create_image_artifact, image_url=f"data:image/png;base64,{data}", key=key, description=markdown(description)
        )


def emit(event: str, payload: dict[str, Any]) -> None:
    """Emit an event that can trigger the API's automations; does nothing without an API."""
    if api.url:
        from prefect.events import emit_event

        _send(emit_event, event, resource={"prefect.resource.id": event}, payload=payload)


class Progress:
    """A progress artifact; does nothing without an API."""

    def __init__(self, key: str, description: str):
        self._id: UUID | None = None
        if api.url:
            from prefect.artifacts import create_progress_artifact

            self._id = _send(create_progress_artifact, progress=0.0, key=key, description=markdown(description))

    def update(self, fraction: float) -> None:
        """Set the fraction of the work that is done, 0..1."""
        if self._id:
            from prefect.artifacts import update_progress_artifact

            _send(update_progress_artifact, self._id, progress=100 * fraction)
