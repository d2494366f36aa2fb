"""Assigns an older version to production."""

from tasks.common.files import InputError
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.release.registry import assign, in_production, versions


@task
def roll_back(wanted: str) -> str:
    """Assign a registered version to production and return its name.

    `previous` stands for the version before the current one. Raises InputError if there is no such version.
    """
    current, known = in_production(), versions()
    if current is None:
        raise InputError("no version is in production, so there is nothing to roll back")
    older = known[known.index(current) + 1 :]
    version = wanted if wanted != "previous" else next(iter(older), None)
    if version is None:
        raise InputError(f"{current} is the oldest version; there is none before it")
    if version not in known:
        raise InputError(f"{version}: no such version; registered: {', '.join(known)}")
    assign(version)
    log(f"{version} is in production" + (" already" if version == current else f" instead of {current}"))
    return version
