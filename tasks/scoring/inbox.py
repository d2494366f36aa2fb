"""The new files of the inbox, the lists of processed files, and unfinished runs over them."""

import csv
import os
import shutil
from pathlib import Path

import pandas as pd

from tasks.common.files import InputError, forget_temporaries, replacing, sha256, source_of, text_of
from tasks.common.walking import LeftOut, summary_of, walk
from tasks.models import old_layout
from tasks.orchestration.artifacts import counted, log
from tasks.orchestration.decorators import task
from tasks.scoring.run_folder import finish_run
from tasks.scoring.shards import MANIFEST, TABLES, WORK, remove_shards

LIST = "processed.csv"
"""In each folder of predictions: the files that they are of, written when the run is complete."""
ASKED, SCORED = "asked.csv", "scored.csv"
"""Beside the shards of an unfinished run: the files to score, and those whose bytes were scored."""


@task
def arrived(inbox: Path, scored: Path) -> dict[str, str]:
    """Files in `inbox` and its folders, without hidden ones, whose bytes no list contains: SHA-256 by name.

    The lists are those in `scored` and those of an earlier version of this project. A file that cannot be read is left
    for the next run.
    """
    lists = [*sorted(scored.glob(f"*/{LIST}")), *sorted(Path().glob(old_layout.PROCESSED_LISTS))]
    known = {sha for path in lists for sha in _read(path).values()}
    files = _files(inbox)
    hashes = {str(path): _hash(path) for path in files}
    new = {name: sha for name, sha in hashes.items() if sha and sha not in known}
    log(f"{inbox}: {len(new):,} of {counted(len(files), 'file is', 'files are')} new")
    return new


def _files(inbox: Path) -> list[Path]:
    def log_error(error: OSError) -> None:
        if Path(error.filename) != inbox:
            log(f"{error.filename}: cannot be searched ({error.strerror}); left for the next run")

    found = walk(str(inbox), log_error)
    files = [path for path in map(Path, found.files) if path.is_file()]
    others = [LeftOut(name, "other than regular files") for name in found.files if not Path(name).is_file()]
    if left_out := summary_of([*found.left_out, *others]):
        log(f"{inbox}: left out: {left_out}")
    return files


def _hash(path: Path) -> str | None:
    try:
        return sha256(path)
    except OSError as error:
        log(f"{path}: cannot be read ({error.strerror}); left for the next run")
        return None


@task
def unfinished_runs(scored: Path) -> list[Path]:
    """Folders in `scored` of unfinished runs, recognized by their shards. Links and other folders are left out."""
    folders = [path / WORK for path in sorted(scored.glob("*")) if not path.is_symlink()]
    unfinished = [
        work for work in folders if not work.is_symlink() and any((work / name).exists() for name in (ASKED, MANIFEST))
    ]
    return [work.parent for work in unfinished if not _is_complete(work.parent)]


def _is_complete(out: Path) -> bool:
    """Whether a run is complete; if it was killed during its clean-up, the clean-up is repeated."""
    if not (out / LIST).exists():
        return False
    finish_run(out)
    return True


@task
def begin_list(files: dict[str, str], out: Path) -> None:
    """Write the list of the files to score into `out`; it marks the folder as an unfinished run of the inbox."""
    _write(files, out / WORK / ASKED)


def asked_in(out: Path) -> list[str]:
    """The files of an unfinished run; empty if an earlier version of this project, without such lists, started it."""
    path = out / WORK / ASKED
    return list(_read(path)) if path.exists() else []


@task
def abandon(out: Path) -> None:
    """Remove an unfinished run; the next run treats its files as new. Files that the run did not write stay."""
    log(f"{out}: the unfinished run there cannot be resumed; its files are scored again")
    remove_shards(out / WORK)
    for name in TABLES:
        (out / f"{name}.parquet").unlink(missing_ok=True)
    forget_temporaries(out)
    shutil.rmtree(out / WORK)
    if {path.name for path in out.iterdir()} <= {".gitignore"}:
        shutil.rmtree(out)


@task
def settle_list(out: Path) -> None:
    """After scoring, list the files that still have the hash they started with: these bytes were scored.

    A file that changed or disappeared meanwhile is in the tables as it was read, and new to the next run.
    """
    if (out / WORK / SCORED).exists():
        return
    asked = _read(out / WORK / ASKED)
    unchanged = {name: sha for name, sha in asked.items() if _hash(Path(name)) == sha}
    for name in asked.keys() - unchanged.keys():
        log(f"{name}: changed while it was scored; the next run scores it again, if it still exists")
    _write(unchanged, out / WORK / SCORED)


@task
def note_arrived(out: Path) -> None:
    """Publish the list of the scored files, which completes the run."""
    os.replace(out / WORK / SCORED, out / LIST)


def _write(files: dict[str, str], path: Path) -> None:
    table = pd.DataFrame([(text_of(name), sha) for name, sha in files.items()], columns=["source", "sha256"])
    with replacing(path) as temporary:
        # Quoted, because names may contain line breaks of any kind.
        table.to_csv(temporary, index=False, quoting=csv.QUOTE_ALL)


def _read(path: Path) -> dict[str, str]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return {source_of(text): sha for text, sha in zip(table["source"], table["sha256"], strict=True)}
    except (ValueError, KeyError) as error:
        remedy = "restore it, or remove it to score its files again"
        raise InputError(f"{path}: is not a list with the columns source and sha256 ({error}); {remedy}") from None
