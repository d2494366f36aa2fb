"""What DVC has recorded of a stage, and the state of its outputs: a difference shows that DVC restored the stage."""

from pathlib import Path
from typing import Any, NamedTuple

LOCK = Path("dvc.lock")


class StageRecord(NamedTuple):
    """`entry`: the stage's entry in `dvc.lock`, or None; `files`: inode, size and mtime (ns) of each output file."""

    entry: dict[str, Any] | None
    files: dict[str, tuple[int, int, int]]


def record_of(stage: str) -> StageRecord:
    """Return the record of a stage; waits while a DVC command holds the repository's lock."""
    entry = _entry(stage)
    paths = [Path(out["path"]) for out in (entry or {}).get("outs", [])]
    return StageRecord(entry, {str(file): _state(file) for path in paths for file in (path, *path.rglob("*"))})


def _entry(stage: str) -> dict[str, Any] | None:
    # Imported here: loading DVC takes a second.
    from dvc.repo import Repo
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    # DVC rewrites the file in place for each stage: without the lock, half a file may be read.
    with Repo(_wait_for_lock=True) as repo, repo.lock:
        try:
            content = YAML(typ="safe").load(LOCK.read_text(encoding="utf-8")) or {}
        except (FileNotFoundError, YAMLError):
            return None
    return content.get("stages", {}).get(stage)


def _state(path: Path) -> tuple[int, int, int]:
    """The state of a file or folder; zeros if it does not exist."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns
