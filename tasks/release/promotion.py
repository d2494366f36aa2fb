"""Promotes the models of a gate result to production."""

import hashlib
import json
from pathlib import Path

from ruamel.yaml import YAML

from params import Promote
from tasks.common.files import InputError
from tasks.models.approved_models import load_approved_models, named_files
from tasks.operations.dvc_graph import plan_of
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.orchestration.git_revision import CODE, SETTINGS
from tasks.release.champion_challenger import compare_with_champion
from tasks.release.registry import (
    MODEL_FILES,
    assign,
    dvc,
    fetch,
    gate_result_at,
    git,
    in_production,
    register,
    versions,
)

COMMITTED = ("dvc.lock", *SETTINGS, "reports")
USE = ("sha256", "precision", "exports", "flip_tta", "temperature", "class_indices", "biases")
"""Keys of a gate result's models that determine predictions; earlier versions have no exports."""


def promote_challenger(gate_result: Path, settings: Promote) -> None:
    """Promote the models of a passed gate result to production, if they are no worse than the champion."""
    challenger, champion = load_approved_models(gate_result), in_production()
    require_ready(gate_result)
    if champion and version_of(gate_result) == champion:
        log(f"{champion}, which is in production, already has these models")
        return
    if champion:
        fetched = fetch(champion)
        approved = load_approved_models(fetched, fetched.parent / MODEL_FILES)
        compare_with_champion(approved, champion, settings, challenger)
    else:
        log("no version is in production yet according to the tags here: the gate result alone decides")
    put_into_production(gate_result)


@task
def require_ready(gate_result: Path) -> None:
    """Raises InputError unless code, settings, data, gate result and models are of one run, and git can commit them."""
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except InputError:
        raise InputError(
            "git has no name and email for commits; set `git config user.name` and `git config user.email`"
        ) from None
    staged = [name for name in git("diff", "--cached", "--name-only").splitlines() if not _is_committed(name)]
    if staged:
        raise InputError(f"staged changes do not belong to a promotion: {', '.join(staged)}; commit or unstage them")
    if uncommitted := git("status", "--porcelain", "--", *CODE):
        raise InputError(
            f"the code has uncommitted changes, so these models are not reproducible; commit them:\n{uncommitted}"
        )
    lock = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    recorded = {out["path"]: out.get("md5") for stage in lock.values() for out in stage.get("outs", [])}
    for path in (*named_files(gate_result), gate_result):
        if recorded.get(str(path)) != _md5(path):
            raise InputError(f"{path} does not match dvc.lock; `dvc repro` updates both")
    if changed := plan_of(["gate"]).changed:
        raise InputError(
            f"{', '.join(sorted(changed))}: changed since the gate ran; `dvc repro` runs it again, or `dvc pull` "
            "fetches missing files"
        )


def _is_committed(name: str) -> bool:
    return Path(name).parts[0] in COMMITTED


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()


def version_of(gate_result: Path) -> str | None:
    """Returns the registered version with the models and inference settings of the gate result, or None."""
    wanted = _used(gate_result.read_text())
    return next((version for version in versions() if _used(gate_result_at(version)) == wanted), None)


def _used(gate_result: str) -> tuple[list[str], dict[str, list[object]]]:
    """Returns the classes of a gate result, and what determines the predictions of its models."""
    content = json.loads(gate_result)
    # Models of versions without these keys have outputs for the output classes alone.
    alone = {"class_indices": list(range(len(content["classes"]))), "biases": []}
    return content["classes"], {
        model_name: [(alone | model).get(name) for name in USE] for model_name, model in content["models"].items()
    }


def _hashes(gate_result: str) -> dict[str, str]:
    return {model_name: model["sha256"] for model_name, model in json.loads(gate_result)["models"].items()}


@task
def put_into_production(gate_result: Path) -> str:
    """Push, commit, register, assign, in that order; skips what an earlier call did. Returns the version."""
    log("pushing data and models to the DVC remote")
    dvc("push")
    version = version_of(gate_result)
    if version is None:
        _commit(gate_result)
        version = register("HEAD")
    assign(version)
    log(f"{version} is in production")
    return version


def _commit(gate_result: Path) -> None:
    names = [name for name in COMMITTED if Path(name).exists()]
    git("add", "--", *names)
    if git("diff", "--cached", "--name-only"):
        hashes = ", ".join(f"{model_name} {sha[:12]}" for model_name, sha in _hashes(gate_result.read_text()).items())
        try:
            git("commit", "--quiet", "--message", f"Models that passed the gate: {hashes}")
        except InputError:
            git("reset", "--quiet", "--", *names)
            raise
