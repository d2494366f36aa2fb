"""Versions of both networks: git tags that GTO writes name them, DVC keeps their bytes."""

import subprocess
import sys
from pathlib import Path

from gto import api as gto
from gto.exceptions import ArtifactNotFound, GTOException

from tasks.common.files import InputError, whole_folder
from tasks.orchestration.api import log, task

ARTIFACT, STAGE, FIRST = "faces", "prod", "v1.0.0"
"""The artifact of dvc.yaml, the stage that production stands for, and its first version."""

FETCHED, NETWORKS = Path("models/fetched"), "trained"
"""Where versions are brought, and what holds their networks there, beside the verdict on them."""

VERDICT = "reports/verdict.json"


def tag_of(version: str) -> str:
    """The git tag of a version."""
    return f"{ARTIFACT}@{version}"


def versions() -> list[str]:
    """All registered versions, the newest first."""
    return [str(row["version"]) for row in _shown(ARTIFACT, gto.VersionSort.SemVer)]


def in_production() -> str | None:
    """The version that is assigned to production, if one is."""
    # By time: an older version may have been put back.
    found = _shown(f"{ARTIFACT}#{STAGE}", gto.VersionSort.Timestamp)
    return str(found[0]["version"]) if found else None


def _shown(name: str, sort: gto.VersionSort) -> list[dict]:
    try:
        return [dict(row) for row in gto.show(".", name, sort=sort)]
    except ArtifactNotFound:
        return []
    except GTOException as error:
        raise InputError(f"the versions of {ARTIFACT} cannot be read: {error}; `gto show` says more") from None


def judged_at(version: str) -> str:
    """The text of the verdict that a version was promoted on."""
    return git("show", f"{tag_of(version)}:{VERDICT}")


@task
def fetch(wanted: str) -> Path:
    """Bring a version's networks, or production's, to `models/fetched`; gives the verdict on them, beside them.

    Raises InputError where there is no such version, or its bytes are neither in the cache nor in the remote.
    """
    version = in_production() if wanted == STAGE else wanted
    if version is None:
        raise InputError("no version is in production yet; `python -m flows.promote` puts one there")
    if version not in versions():
        known = ", ".join(versions()) or "none"
        raise InputError(
            f"{version}: no version of {ARTIFACT}; registered: {known}; or say workspace, prod, released or fast"
        )
    verdict = FETCHED / version / "verdict.json"
    if not verdict.exists():
        log(f"fetching {ARTIFACT} {version}")
        try:
            with whole_folder(verdict.parent) as folder:
                dvc("artifacts", "get", ".", ARTIFACT, "--rev", version, "--out", str(folder / NETWORKS))
                (folder / "verdict.json").write_text(judged_at(version))
        except InputError:
            # Another run may have brought the same meanwhile.
            if not verdict.exists():
                raise
    return verdict


def register(commit: str) -> str:
    """Give a commit the next version; its name."""
    try:
        options = {"bump_minor": True} if versions() else {"version": FIRST}
        gto.register(".", ARTIFACT, commit, **options)
    except GTOException as error:
        raise InputError(
            f"{ARTIFACT} could not be registered: {error}; `gto history {ARTIFACT}` shows its tags"
        ) from None
    return versions()[0]


def assign(version: str) -> None:
    """Put a version into production, an older one too; where it is there already, nothing is done."""
    if in_production() == version:
        return
    try:
        gto.assign(".", ARTIFACT, STAGE, version=version, force=True)
    except GTOException as error:
        raise InputError(f"{version} could not be put into production: {error}") from None


def git(*arguments: str) -> str:
    """What git says. Raises InputError with its words where it fails."""
    return _said("git", ["git", *arguments])


def dvc(*arguments: str) -> str:
    """What DVC says. Raises InputError with its words where it fails."""
    return _said("dvc", [sys.executable, "-m", "dvc", *arguments])


def _said(name: str, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise InputError(f"`{name} {' '.join(command[1 if name == 'git' else 3 :])}` failed: {said}")
    return done.stdout.strip()
