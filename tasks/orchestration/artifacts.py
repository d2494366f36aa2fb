"""Log lines, artifacts, events and progress of a run: in the terminal, and in Prefect if an API records the run.

Also the wording of counts in messages.
"""

import base64
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.common.text_escaping import markdown, visible
from tasks.orchestration.api import recording, send, terminal


def log(message: str) -> None:
    """Log one line to the terminal and to the run's log."""
    message = visible(message)
    if recording():
        from prefect.exceptions import MissingContextError
        from prefect.logging import get_run_logger

        try:
            get_run_logger().info(message)
            return
        except MissingContextError:
            pass
    terminal.info(message)


def counted(count: int, one: str, several: str = "") -> str:
    """A number with its noun, `1 row` or `2,304 rows`, for messages; `several` is a plural that does not add an s."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def console() -> Console:
    """Return a console as wide as the terminal, or of 120 columns where output is captured."""
    return Console(width=None if sys.stdout.isatty() else 120)


def log_table(key: str, rows: Sequence[Mapping[str, object]], description: str) -> None:
    """Log a table artifact, and print it to the terminal. `key` consists of a-z, 0-9 and dashes.

    A row may lack columns of another one, or have them in another order.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [{name: _cell(row.get(name, "")) for name in names} for row in rows]
    table = Table(*(names or ["nothing"]))
    for row in cells:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console().print(f"\n{escape(visible(description))}", table)
    if recording():
        from prefect.artifacts import create_table_artifact

        send(create_table_artifact, table=cells, key=key, description=markdown(description))


def log_markdown(key: str, text: str, description: str) -> None:
    """Log a Markdown artifact. The caller escapes external text with `markdown`."""
    if recording():
        from prefect.artifacts import create_markdown_artifact

        send(create_markdown_artifact, markdown=text, key=key, description=markdown(description))


def log_figure(key: str, path: Path, description: str) -> None:
    """Log a PNG or JPEG file as an image artifact. It embeds the bytes, so that the UI shows it on any machine."""
    log(f"{description}: {path}")
    if recording():
        from prefect.artifacts import create_image_artifact

        data, kind = base64.b64encode(path.read_bytes()).decode(), "jpeg" if path.suffix == ".jpg" else "png"
        url = f"data:image/{kind};base64,{data}"
        send(create_image_artifact, image_url=url, key=key, description=markdown(description))


def emit(event: str, payload: dict[str, Any]) -> None:
    """Emit an event that can trigger the API's automations; does nothing without an API."""
    if recording():
        from prefect.events import emit_event

        send(emit_event, event, resource={"prefect.resource.id": event}, payload=payload)


class Progress:
    """A progress artifact; does nothing without an API."""

    def __init__(self, key: str, description: str):
        self._id: UUID | None = None
        if recording():
            from prefect.artifacts import create_progress_artifact

            self._id = send(create_progress_artifact, progress=0.0, key=key, description=markdown(description))

    def update(self, fraction: float) -> None:
        """Set the fraction of the work that is done, 0..1."""
        if self._id:
            from prefect.artifacts import update_progress_artifact

            send(update_progress_artifact, self._id, progress=100 * fraction)


def _cell(value: object) -> object:
    if isinstance(value, float):
        # Counts may be floats, and 22133 rounded to four digits would be a wrong count.
        return "" if math.isnan(value) else int(value) if value.is_integer() else float(f"{value:.4g}")
    return value if isinstance(value, int) else visible(str(value))
