"""Puts the networks that a verdict is about into production, or an older version back."""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ruamel.yaml import YAML

from faces.preparation.near_duplicates import image_keys
from faces.release.champion_challenger import Comparison, emotion_comparisons, judged_together, keypoint_comparisons
from params import Promote
from tasks.common.dataset import Part, load_part
from tasks.common.files import InputError
from tasks.evaluation.predictions import load_evaluated
from tasks.models.approved_models import Judged, judged_networks, predictors
from tasks.operations.dvc_graph import plan_of
from tasks.orchestration.api import leave_table, log, task
from tasks.orchestration.git_revision import CODE
from tasks.release.registry import (
    NETWORKS,
    assign,
    dvc,
    fetch,
    git,
    in_production,
    judged_at,
    register,
    tag_of,
    versions,
)

COMMITTED = ("dvc.lock", "params.yaml", "reports")
USE = ("sha256", "flip_averaging", "temperature")
"""Of a verdict's models: what they are, and how they are used."""


def promote_challenger(verdict: Path, settings: Promote) -> None:
    """Put what the verdict let pass into production, if it is no worse than the champion there."""
    challenger, champion = judged_networks(verdict), in_production()
    require_ready(challenger, verdict)
    if champion and version_of(verdict) == champion:
        log(f"{champion}, which is in production, holds these networks already")
        return
    if champion:
        theirs = fetch(champion)
        compare_with_champion(judged_networks(theirs, theirs.parent / NETWORKS), champion, settings, challenger)
    else:
        log("no version is in production yet, as far as the tags here tell: the verdict alone decides")
    put_into_production(verdict)


@task
def require_ready(judged: Judged, verdict: Path) -> None:
    """Raises InputError unless code, settings, faces, verdict and networks are of one run, and git can commit them."""
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except InputError:
        raise InputError(
            "git knows no name and address to commit by; set `git config user.name` and `git config user.email`"
        ) from None
    staged = [name for name in git("diff", "--cached", "--name-only").splitlines() if not _ours(name)]
    if staged:
        raise InputError(
            f"changes are staged that are no part of a promotion: {', '.join(staged)}; commit or unstage them"
        )
    if uncommitted := git("status", "--porcelain", "--", *CODE):
        raise InputError(
            f"code has changed that no commit holds, so nobody could make these networks again:\n{uncommitted}"
        )
    lock = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    recorded = {out["path"]: out.get("md5") for stage in lock.values() for out in stage.get("outs", [])}
    for path in (*judged.paths.values(), verdict):
        if recorded.get(str(path)) != _md5(path):
            raise InputError(f"{path} is not what dvc.lock records; `dvc repro` makes them one")
    if changed := plan_of(["gate"]).changed:
        raise InputError(
            f"{', '.join(sorted(changed))}: changed since the gate judged; `dvc repro` judges anew, or `dvc pull` "
            "brings what is not on this disk"
        )


def _ours(name: str) -> bool:
    return Path(name).parts[0] in COMMITTED


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()


def version_of(verdict: Path) -> str | None:
    """The version whose networks, and how they are used, are those of the verdict, if one is registered."""
    ours = _used(verdict.read_text())
    return next((version for version in versions() if _used(judged_at(version)) == ours), None)


def _used(verdict: str) -> tuple[list[str], dict[str, list[object]]]:
    """Classes and networks of a verdict, as `score` uses them."""
    content = json.loads(verdict)
    return content["classes"], {head: [model[name] for name in USE] for head, model in content["models"].items()}


def _hashes(verdict: str) -> dict[str, str]:
    return {head: model["sha256"] for head, model in json.loads(verdict)["models"].items()}


@task
def compare_with_champion(champion: Judged, version: str, settings: Promote, challenger: Judged) -> None:
    """Both on the test faces of today, those left out that the champion was trained on or chosen by.

    Leaves the table. Raises InputError, naming every metric, where the challenger is worse by more than the tolerance.
    """
    if champion.classes != challenger.classes:
        log(f"{version} names other classes ({', '.join(champion.classes)}): the emotions cannot be compared")
    networks, found = predictors(champion), []
    for head in champion.paths:
        if head == "emotion" and champion.classes != challenger.classes:
            continue
        test, ours = (
            load_part(Path(f"data/prepared/{head}/test.npz")),
            load_evaluated(Path(f"data/evaluated/{head}.npz")),
        )
        fresh = ~np.isin(image_keys(test.images), _seen_by(version, head))
        log(f"{head}: {fresh.sum()} of {len(test)} test faces were not shown to {version} in training")
        if fresh.any():
            theirs = networks[head](test.images[fresh])
            found += _comparisons(head, test[fresh], theirs, ours.predicted[fresh], settings)
    decided = judged_together(found)
    rows = [{**one._asdict(), "rejected": "WORSE" if one.rejected else "no worse"} for one in decided]
    if rows:
        leave_table("promotion", rows, f"Against {version}, the champion, on the same test faces")
    if worse := [one for one in decided if one.rejected]:
        lines = [_sentence(one) for one in worse]
        raise InputError(f"worse than {version}, which is in production, and not promoted:\n" + "\n".join(lines))


def _comparisons(
    head: str, test: Part, champion: np.ndarray, challenger: np.ndarray, settings: Promote
) -> list[Comparison]:
    if head == "keypoints":
        return keypoint_comparisons(test.targets, champion, challenger, test.groups, nme=settings.nme)
    tolerances = {"accuracy": settings.accuracy, "recall": settings.recall}
    return emotion_comparisons(test.targets, champion, challenger, test.groups, test.classes.tolist(), **tolerances)


def _seen_by(version: str, head: str) -> list[str]:
    """Keys of the faces that a version was trained on, or its epoch chosen by."""
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / head
        dvc("get", ".", f"data/prepared/{head}", "--rev", tag_of(version), "--out", str(prepared))
        return [
            key for part in ("train", "validation") for key in image_keys(load_part(prepared / f"{part}.npz").images)
        ]


def _sentence(one: Comparison) -> str:
    ends = f"{one.worse:.4f} ({one.low:.4f} to {one.high:.4f})"
    instead = f"{one.challenger:.4f} instead of {one.champion:.4f}"
    return f"  {one.head}: {one.metric} {instead}, worse by {ends}, p = {one.p:.4f}"


@task
def put_into_production(verdict: Path) -> str:
    """Push, commit, register, assign, in that order; what an earlier call did is not done again. Gives the version."""
    log("pushing data and networks to the DVC remote")
    dvc("push")
    version = version_of(verdict)
    if version is None:
        _commit(verdict)
        version = register("HEAD")
    assign(version)
    log(f"{version} is in production")
    return version


def _commit(verdict: Path) -> None:
    names = [name for name in COMMITTED if Path(name).exists()]
    git("add", "--", *names)
    if git("diff", "--cached", "--name-only"):
        hashes = ", ".join(f"{head} {sha[:12]}" for head, sha in _hashes(verdict.read_text()).items())
        try:
            git("commit", "--quiet", "--message", f"Networks that passed the gate: {hashes}")
        except InputError:
            git("reset", "--quiet", "--", *names)
            raise


@task
def roll_back(wanted: str) -> str:
    """Put a version back into production: `previous` for the one before the present one. Gives its name."""
    present, known = in_production(), versions()
    if present is None:
        raise InputError("no version is in production, so none can be rolled back")
    older = known[known.index(present) + 1 :]
    version = wanted if wanted != "previous" else next(iter(older), None)
    if version is None:
        raise InputError(f"{present} is the oldest version; there is none to go back to")
    if version not in known:
        raise InputError(f"{version}: no version; registered: {', '.join(known)}")
    assign(version)
    log(f"{version} is in production" + (" already" if version == present else f", in place of {present}"))
    return version
