"""Versions of the model set: GTO writes them as git tags, DVC stores their bytes."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from gto import api as gto
from gto.exceptions import ArtifactNotFound, GTOException

from tasks.common.files import InputError, whole_folder
from tasks.models import old_layout
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task

ARTIFACT, STAGE, FIRST = "faces", "prod", "v1.0.0"
"""The artifact in dvc.yaml, the GTO stage of production, and the first version."""

FETCHED, MODEL_FILES = Path("models/fetched"), "trained"
"""Where versions are fetched to, and the folder of their models there, next to their gate result."""

GATE_RESULT = "reports/gate.json"


def tag_of(version: str) -> str:
    """Returns the git tag of a version."""
    return f"{ARTIFACT}@{version}"


def versions() -> list[str]:
    """Returns all registered versions, the newest first."""
    return [version for version, _, _ in registrations()]


def registrations() -> list[tuple[str, str, datetime]]:
    """Returns version, commit and date of registration of all registered versions, the newest version first."""
    rows = _rows(ARTIFACT, gto.VersionSort.SemVer)
    return [(str(row["version"]), str(row["commit_hexsha"]), row["created_at"]) for row in rows]


def in_production() -> str | None:
    """Returns the version assigned to production, or None."""
    # By time, because an older version may have been assigned again.
    rows = _rows(f"{ARTIFACT}#{STAGE}", gto.VersionSort.Timestamp)
    return str(rows[0]["version"]) if rows else None


def _rows(name: str, sort: gto.VersionSort) -> list[dict]:
    try:
        return [dict(row) for row in gto.show(".", name, sort=sort)]
    except ArtifactNotFound:
        return []
    except GTOException as error:
        raise InputError(f"the versions of {ARTIFACT} cannot be read: {error}; run `gto show` for details") from None


def gate_result_at(version: str) -> str:
    """Returns the text of a version's gate result; one of the earlier layout is upgraded to today's terms."""
    tag = tag_of(version)
    if git("ls-tree", "--name-only", tag, GATE_RESULT):
        return git("show", f"{tag}:{GATE_RESULT}")
    content = json.loads(git("show", f"{tag}:reports/{old_layout.GATE_RESULT}"))
    return json.dumps(old_layout.upgraded(content), indent=2) + "\n"


@task
def fetch(wanted: str) -> Path:
    """Fetch the models of a version, or of `prod`, into `models/fetched`; returns the path of their gate result there.

    Raises InputError if there is no such version, or its bytes are neither in the cache nor in the remote.
    """
    version = in_production() if wanted == STAGE else wanted
    if version is None:
        raise InputError("no version is in production yet; `faces promote` promotes one")
    if version not in versions():
        known = ", ".join(versions()) or "none"
        raise InputError(
            f"{version}: no version of {ARTIFACT}; registered: {known}; or use workspace, prod, released or fast"
        )
    gate_result = FETCHED / version / "gate.json"
    if not gate_result.exists():
        log(f"fetching {ARTIFACT} {version}")
        try:
            with whole_folder(gate_result.parent) as folder:
                dvc("artifacts", "get", ".", ARTIFACT, "--rev", version, "--out", str(folder / MODEL_FILES))
                (folder / "gate.json").write_text(gate_result_at(version))
        except InputError:
            # Another run may have fetched the same version in the meantime.
            if not gate_result.exists():
                raise
    return gate_result


def register(commit: str) -> str:
    """Register a commit as the next version and return its name."""
    try:
        options = {"bump_minor": True} if versions() else {"version": FIRST}
        gto.register(".", ARTIFACT, commit, **options)
    except GTOException as error:
        raise InputError(
            f"{ARTIFACT} could not be registered: {error}; `gto history {ARTIFACT}` lists its tags"
        ) from None
    return versions()[0]


def assign(version: str) -> None:
    """Assign a version, which may be an older one, to production; does nothing if it is assigned already."""
    if in_production() == version:
        return
    try:
        gto.assign(".", ARTIFACT, STAGE, version=version, force=True)
    except GTOException as error:
        raise InputError(f"{version} could not be assigned to production: {error}") from None


def git(*arguments: str) -> str:
    """Run git and return its output. Raises InputError with its error message if it fails."""
    return _output("git", ["git", *arguments])


def dvc(*arguments: str) -> str:
    """Run DVC and return its output. Raises InputError with its error message if it fails."""
    return _output("dvc", [sys.executable, "-m", "dvc", *arguments])


def _output(name: str, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = (done.stderr or done.stdout).strip()
        raise InputError(f"`{name} {' '.join(command[1 if name == 'git' else 3 :])}` failed: {message}")
    return done.stdout.strip()
