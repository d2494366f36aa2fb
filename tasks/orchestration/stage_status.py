"""How a stage that DVC started ended: the stage reports it to the pipeline in a small file outside its outputs."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from tasks.common.files import InputError, replacing

FOLDER = Path(".dvc/tmp/stages")

Outcome = Literal["completed", "failed", "interrupted"]


class StageStatus(NamedTuple):
    """`outcome` is None for an unreadable file; `input_fault`: whether the input must change before a retry helps."""

    outcome: Outcome | None
    message: str
    input_fault: bool


def write_status(stage: str, outcome: Outcome, message: str = "", input_fault: bool = False) -> None:
    """Write the status of a stage that ends. Does nothing if the file cannot be written: reporting fails no stage."""
    with suppress(OSError, InputError), replacing(_path(stage)) as temporary:
        temporary.write_text(json.dumps(StageStatus(outcome, message, input_fault)._asdict()))


def read_status(stage: str) -> StageStatus | None:
    """Return the status that the last run of a stage wrote; None if it wrote none."""
    try:
        status = StageStatus(**json.loads(_path(stage).read_text()))
        if status.outcome not in get_args(Outcome):
            raise ValueError(f"unknown outcome {status.outcome}")
        return StageStatus(cast(Outcome, status.outcome), str(status.message), status.input_fault is True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError):
        # The stage ran, but how it ended is unknown.
        return StageStatus(None, "", False)


def remove_status(stage: str) -> None:
    """Remove the status of an earlier run. Raises OSError if there is one that cannot be removed."""
    path = _path(stage)
    # On a read-only file system, even removing an absent file is an error.
    if path.exists():
        path.unlink(missing_ok=True)


def _path(stage: str) -> Path:
    return FOLDER / f"{stage}.json"
