"""What arrived in a folder since it was scored last."""

from pathlib import Path

import pandas as pd

from tasks.files import sha256
from tasks.orchestration import log, task
from tasks.photographs import SOURCES


@task
def arrived(inbox: Path, scored: Path) -> list[Path]:
    """Files in `inbox` and its folders, hidden ones aside, whose bytes no list of sources in `scored` has; by name.

    By their bytes: a file that was still being copied when it was scored is new once it is whole.
    """
    lists = [pd.read_csv(path, usecols=["sha256"]) for path in sorted(scored.glob(f"*/{SOURCES}"))]
    known = set(pd.concat(lists)["sha256"]) if lists else set()
    files = [path for path in sorted(inbox.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    new = [path for path in files if sha256(path) not in known]
    log(f"{inbox}: {len(new)} of {len(files)} files are new")
    return new
