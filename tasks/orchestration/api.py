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
"""Environment variable by which a pipeline's task names itself to the stage that it starts."""

PROBE_SECONDS = 10
PARENT_SECONDS = 15

console = Console(width=None if sys.stdout.isatty() else 120)
terminal = logging.getLogger("faces")


@dataclass(frozen=True)
class Api:
    """What was decided: `url` is the API that answered, or None; `refused` tells that it turned us away."""

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
        # Whatever answers there now is another server, and gets none of our runs, pictures or credentials.
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
            return Api(None, f"the Prefect API at {url} refuses us ({code}): {remedy}", refused=True)
        return Api(None, f"the Prefect API at {url} answers {code}: running as plain functions, nothing is recorded")
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        return Api(None, f"no Prefect API answers at {url} ({why}): running as plain functions, nothing is recorded")
    return Api(url, f"recorded by the Prefect API at {url}")


api = _decide()


begun: set[str] = set()
"""Flows of this process whose work has begun."""

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
            return Failed(message=visible(str(error), lines=True))  # type: ignore[return-value]
        except OSError as error:
            if not (why := host.explained(error, Path())):
                raise
            note(InputError(why))
            return Failed(message=visible(why))  # type: ignore[return-value]
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
        begun.add(function.__name__)
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
    # What is scored into a folder elsewhere needs no checkout that can be written to.
    locks = LOCKS if host.writable(LOCKS) or not folder else host.private_folder()
    locks.mkdir(parents=True, exist_ok=True)
    of_folder = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16] if folder else ""
    with (locks / f"{name}{of_folder}.lock").open("w") as handle:
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

    The record never fails the work. Where it cannot begin, the stage runs without one; losing the API once the work is
    done is a warning: its outputs are whole, and they count.
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
        if flow.name not in begun:
            _start_again_without_api(error)
        if flow.name not in ended:
            raise
        if failure := ended[flow.name]:
            raise failure from None
        terminal.warning("the work is done and counts, but the Prefect API did not learn of it: %s", error)


def _child_run(flow: Any, arguments: dict[str, object]) -> Any:
    """The stage's flow run, as a child of the task run that started it; None without one, or where that fails.

    The API records task runs some time after they start, and answers 409 until then.
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
                terminal.warning("this run is recorded apart from the pipeline's: %s", error)
                return None
            time.sleep(0.5)
    return None


def _start_again_without_api(error: Exception) -> NoReturn:
    """Replace this process, whose tasks need the API, by the same command without one."""
    terminal.warning("the Prefect API could not begin a record of this run, which goes on without: %s", error)
    os.environ[URL] = ""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def log(message: str) -> None:
    """One line for the person who watches, in the terminal and in the run's log."""
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
    except Exception as error:  # a record never fails the work, whatever the API answers
        if isinstance(error, httpx.TransportError):
            lost_at = time.monotonic()
        terminal.warning("the Prefect API did not take what a run leaves there, the work goes on: %s", error)
        return None


def _cell(value: object) -> object:
    if isinstance(value, float):
        # Counts may come as floats; four digits of 22133 would be a wrong count.
        return "" if math.isnan(value) else int(value) if value.is_integer() else float(f"{value:.4g}")
    return value if isinstance(value, int) else visible(str(value))


def leave_table(key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """A table artifact, drawn in the terminal too. `key` is made of a-z, 0-9 and dashes."""
    plain = [{name: _cell(value) for name, value in row.items()} for row in rows]
    table = Table()
    for name in plain[0] if plain else ["nothing"]:
        table.add_column(name)
    for row in plain:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console.print(f"\n{escape(visible(description))}", table)
    if api.url:
        from prefect.artifacts import create_table_artifact

        _send(create_table_artifact, table=plain, key=key, description=markdown(description))


def leave_markdown(key: str, text: str, description: str) -> None:
    """A text artifact of Markdown, in which `markdown` escapes what comes from outside."""
    if api.url:
        from prefect.artifacts import create_markdown_artifact

        _send(create_markdown_artifact, markdown=text, key=key, description=markdown(description))


def leave_picture(key: str, path: Path, description: str) -> None:
    """A PNG file as an image artifact, its bytes inside, so that the UI draws it wherever it runs."""
    log(f"{description}: {path}")
    if api.url:
        from prefect.artifacts import create_image_artifact

        data = base64.b64encode(path.read_bytes()).decode()
        _send(
            create_image_artifact, image_url=f"data:image/png;base64,{data}", key=key, description=markdown(description)
        )


def emit(event: str, payload: dict[str, Any]) -> None:
    """An event of this project, to which the API's automations can be bound; none where nothing is recorded."""
    if api.url:
        from prefect.events import emit_event

        _send(emit_event, event, resource={"prefect.resource.id": event}, payload=payload)


class Progress:
    """A progress artifact that fills as work is done; silent where nothing is recorded."""

    def __init__(self, key: str, description: str):
        self._id: UUID | None = None
        if api.url:
            from prefect.artifacts import create_progress_artifact

            self._id = _send(create_progress_artifact, progress=0.0, key=key, description=markdown(description))

    def update(self, share: float) -> None:
        """`share` of the work done, 0..1."""
        if self._id:
            from prefect.artifacts import update_progress_artifact

            _send(update_progress_artifact, self._id, progress=100 * share)
