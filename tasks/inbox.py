"""What arrived in a folder since it was scored last."""

import shutil
from pathlib import Path

import pandas as pd

from tasks.files import replacing, sha256
from tasks.orchestration import log, task
from tasks.packed import is_hidden

LIST = "arrived.csv"
"""In each folder of predictions: which files they are of, written when all is done."""


@task
def arrived(inbox: Path, scored: Path) -> dict[str, str]:
    """Files in `inbox` and its folders, hidden ones aside, whose bytes no list in `scored` has: SHA-256 by name.

    By their bytes: a file that was still being copied when it was scored is new once it is whole.
    """
    known = {sha for path in scored.glob(f"*/{LIST}") for sha in pd.read_csv(path)["sha256"]}
    files = [
        path for path in sorted(inbox.rglob("*")) if path.is_file() and not is_hidden(str(path.relative_to(inbox)))
    ]
    new = {str(path): sha for path in files if (sha := sha256(path)) not in known}
    log(f"{inbox}: {len(new)} of {len(files)} files are new")
    return new


@task
def forget_unfinished(scored: Path) -> None:
    """Remove what a run left that was killed: its files are new to the next one."""
    for folder in scored.glob("*"):
        if not (folder / LIST).exists():
            shutil.rmtree(folder)


@task
def note_arrived(files: dict[str, str], out: Path) -> None:
    """Write the list of what was scored, with the bytes it had before."""
    with replacing(out / LIST) as temporary:
        pd.DataFrame(files.items(), columns=["source", "sha256"]).to_csv(temporary, index=False)
