"""What arrived in a folder since it was scored last, and the runs over it that did not end."""

import csv
import os
import shutil
from pathlib import Path

import pandas as pd

from tasks.common.files import InputError, forget_temporaries, replacing, sha256, source_of, text_of
from tasks.orchestration.api import log, task
from tasks.readers.archives import is_hidden
from tasks.scoring.batch import finish_run
from tasks.scoring.shards import MANIFEST, TABLES, WORK, remove_shards

LIST = "arrived.csv"
"""In each folder of predictions: which files they are of, written when all is done."""
ASKED, SCORED = "asked.csv", "scored.csv"
"""Beside the shards of a run that has not ended: the files to score, and those whose bytes were scored."""


@task
def arrived(inbox: Path, scored: Path) -> dict[str, str]:
    """Files in `inbox` and its folders, hidden ones aside, whose bytes no list in `scored` has: SHA-256 by name.

    A file that cannot be read is left for the next run.
    """
    known = {sha for path in sorted(scored.glob(f"*/{LIST}")) for sha in _read(path).values()}
    files = _files(inbox)
    hashes = {str(path): _hash(path) for path in files}
    new = {name: sha for name, sha in hashes.items() if sha and sha not in known}
    log(f"{inbox}: {len(new)} of {len(files)} files are new")
    return new


def _files(inbox: Path) -> list[Path]:
    def tell(error: OSError) -> None:
        if Path(error.filename) != inbox:
            log(f"{error.filename}: cannot be looked through ({error.strerror}); left for the next run")

    found = []
    for place, folders, names in os.walk(inbox, onerror=tell):
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(place, name) for name in names if not is_hidden(name)]
    return sorted(path for path in found if path.is_file())


def _hash(path: Path) -> str | None:
    try:
        return sha256(path)
    except OSError as error:
        log(f"{path}: cannot be read ({error.strerror}); left for the next run")
        return None


@task
def unfinished(scored: Path) -> list[Path]:
    """Folders in `scored` of runs that did not end, as their shards tell. Links, and all else that is there, stay."""
    begun = [path / WORK for path in sorted(scored.glob("*")) if not path.is_symlink()]
    ours = [
        work for work in begun if not work.is_symlink() and any((work / name).exists() for name in (ASKED, MANIFEST))
    ]
    return [work.parent for work in ours if not _ended(work.parent)]


def _ended(out: Path) -> bool:
    """Whether a run is done; one that was killed as it tidied up is tidied."""
    if not (out / LIST).exists():
        return False
    finish_run(out)
    return True


@task
def begin_list(files: dict[str, str], out: Path) -> None:
    """Write which files are to be scored into `out`: by that it is known for ours while the run has not ended."""
    _write(files, out / WORK / ASKED)


def asked_in(out: Path) -> list[str]:
    """The files of a run that has not ended; none where a version of this project began it that kept no list."""
    path = out / WORK / ASKED
    return list(_read(path)) if path.exists() else []


@task
def abandon(out: Path) -> None:
    """Give up a run whose tables are not there; its files are new to the next one. What it did not write stays."""
    log(f"{out}: what stopped there was asked otherwise; its files are scored anew")
    remove_shards(out / WORK)
    for name in TABLES:
        (out / f"{name}.parquet").unlink(missing_ok=True)
    forget_temporaries(out)
    shutil.rmtree(out / WORK)
    if {path.name for path in out.iterdir()} <= {".gitignore"}:
        shutil.rmtree(out)


@task
def settle_list(out: Path) -> None:
    """Once all is scored, list the files that still hold the bytes that were hashed: these bytes were scored.

    A file that changed or went meanwhile is in the tables as it was found, and new to the next run.
    """
    if (out / WORK / SCORED).exists():
        return
    asked = _read(out / WORK / ASKED)
    same = {name: sha for name, sha in asked.items() if _hash(Path(name)) == sha}
    for name in asked.keys() - same.keys():
        log(f"{name}: changed while it was scored; it is scored again by the next run, if it is there")
    _write(same, out / WORK / SCORED)


@task
def note_arrived(out: Path) -> None:
    """Leave the list of what was scored."""
    os.replace(out / WORK / SCORED, out / LIST)


def _write(files: dict[str, str], path: Path) -> None:
    table = pd.DataFrame([(text_of(name), sha) for name, sha in files.items()], columns=["source", "sha256"])
    with replacing(path) as temporary:
        # Quoted, for names may hold line breaks of any kind.
        table.to_csv(temporary, index=False, quoting=csv.QUOTE_ALL)


def _read(path: Path) -> dict[str, str]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return {source_of(text): sha for text, sha in zip(table["source"], table["sha256"], strict=True)}
    except (ValueError, KeyError) as error:
        remedy = "write it as it was, or remove it, and its files are scored again"
        raise InputError(f"{path}: is no list with the columns source and sha256 ({error}); {remedy}") from None
