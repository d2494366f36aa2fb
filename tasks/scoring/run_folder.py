"""What an unfinished run keeps on disk so that the same command resumes it: its fingerprint and its shards."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faces.models.tta import Inference
from params import Score
from tasks.common.files import (
    InputError,
    code_files,
    forget_temporaries,
    ignored_by_git,
    ignores_itself,
    readable,
    replacing,
    sha256,
)
from tasks.models.approved_models import ApprovedModels
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.readers.sources import is_remote
from tasks.scoring.shards import MANIFEST, WORK, first_reason, remove_shards

LIBRARIES = ("numpy", "openvino")
"""Libraries whose versions may change a digit of the predictions."""


def run_fingerprint(
    sources: Sequence[str], approved: ApprovedModels, version: str, mode: str, settings: Score
) -> dict[str, Any]:
    """What identifies a run: a run resumes another only if all of it is equal."""
    digest = hashlib.sha256()
    for source in sources:
        stamp = None
        if not is_remote(source):
            with suppress(OSError):  # a file may vanish at any time
                status = os.stat(source)
                stamp = (status.st_size, status.st_mtime_ns)
        digest.update(f"{source}\0{stamp}\0".encode(errors="surrogateescape"))
    return {
        "sources": digest.hexdigest(),
        "models": approved.hashes,
        "inference": {model_name: _as_json(inference) for model_name, inference in approved.inference.items()},
        "classes": approved.classes,
        "table_classes": approved.tables and [approved.tables.classes, _as_json(approved.tables.inference)],
        "version": version,
        "mode": mode,
        "settings": settings.model_dump(mode="json"),
    }


def _as_json(inference: Inference) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in inference._asdict().items()}


def begin_run(out: Path, fingerprint: dict[str, Any]) -> Path:
    """The folder of the shards in `out`, of a resumed or a new run.

    Raises InputError if `out` holds anything else.
    """
    work = out / WORK
    kept = manifest_of(out)
    if kept is not None:
        if changed := [name for name, value in fingerprint.items() if kept.get(name) != value]:
            what = f"holds an unfinished run with other {', '.join(changed)}"
            raise InputError(f"{out}: {what}; name another folder, or remove it")
        ignored_by_git(out)
        return work
    if readable(str(out)) != str(out):
        raise InputError(f"{out}: the name is not valid UTF-8, which the tables need; name another folder")
    if os.path.lexists(out) and not out.is_dir():
        raise InputError(f"{out}: is not a folder; name another")
    try:
        if _holds_more(out):
            raise InputError(f"{out}: exists already; name another folder, or remove it")
        ignored_by_git(out)
        _write_manifest(work, fingerprint)
    except OSError as error:
        raise InputError(f"{out}: cannot be written to ({error.strerror}); name another folder") from None
    return work


def begin_stage_run(work: Path, fingerprint: dict[str, Any]) -> Path:
    """As `begin_run`, for an output that DVC tracks: the shards lie outside it, in `work`.

    An unfinished run of another fingerprint or of other code is abandoned, because DVC records the code of an output.
    """
    fingerprint = fingerprint | {"code": [*map(version, LIBRARIES), *map(sha256, code_files())]}
    if _read_manifest(work) == fingerprint:
        return work
    if work.exists():
        log(f"{work}: the unfinished run there has other inputs, settings or code; scoring starts again")
        shutil.rmtree(work)
    _write_manifest(work, fingerprint)
    return work


def clear_output(out: Path, work: Path) -> None:
    """Empty a folder that DVC tracks, for the tables of the run in `work`; of a link, only the link is removed.

    Raises InputError if no face was found; then the folder is unchanged and the run is abandoned.
    """
    if reason := first_reason(work):
        shutil.rmtree(work)
        raise InputError(f"{reason}; nothing can be scored")
    for path in out.iterdir() if out.exists() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def manifest_of(out: Path) -> dict[str, Any] | None:
    """The fingerprint of the unfinished run in `out`; None if there is no such run."""
    return _read_manifest(out / WORK)


def _read_manifest(work: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((work / MANIFEST).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}


def _write_manifest(work: Path, fingerprint: dict[str, Any]) -> None:
    with replacing(work / MANIFEST) as temporary:
        temporary.write_text(json.dumps(fingerprint, indent=1))


def _holds_more(out: Path) -> bool:
    """Whether a folder holds anything beside the shards and the file that makes Git ignore it."""
    return out.exists() and any(path.name != WORK and not ignores_itself(path) for path in out.iterdir())


def can_resume(
    sources: Sequence[str], approved: ApprovedModels, version: str, mode: str, settings: Score, out: Path
) -> bool:
    """Whether `score_sources` with the same arguments accepts `out`."""
    kept = manifest_of(out)
    if kept is None:
        return not _holds_more(out)
    return kept == run_fingerprint(sources, approved, version, mode, settings)


@task
def finish_run(out: Path, shards_folder: Path | None = None) -> None:
    """Remove what a completed run in `out` would be resumed from; its fingerprint is removed last.

    `shards_folder`: see `score_sources`.
    """
    work = shards_folder or out / WORK
    for folder in (out, out / "pictures"):
        forget_temporaries(folder)
    remove_shards(work)
    if work.exists():
        shutil.rmtree(work)
