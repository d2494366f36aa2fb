"""Scores the files that arrived in `data/inbox/` since the last run, as the deployment `score` does every day."""

from datetime import UTC, datetime
from pathlib import Path

import params
from tasks.models.approved_models import ApprovedModels
from tasks.orchestration.flow_run import skipped
from tasks.orchestration.locks import exclusive_lock
from tasks.release.model_sets import load_model_set
from tasks.scoring.batch import score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.inbox import abandon, arrived, asked_in, begin_list, note_arrived, settle_list, unfinished_runs
from tasks.scoring.run_folder import can_resume, finish_run, manifest_of
from tasks.scoring.shards import is_joined
from tasks.scoring.summary import count_scored

INBOX, SCORED = Path("data/inbox"), Path("data/inbox_results")


def inbox(settings: params.Params, model_set: str = "prod") -> object:
    """Score new images and tables of `data/inbox/` into a folder of `data/inbox_results/` named after the time.

    Interrupted runs are resumed first. `model_set` is prod, the models in production, or another model set.
    """
    with exclusive_lock("the inbox"):
        resumed = [_resume(out, model_set, settings.score) for out in unfinished_runs(SCORED)]
        files = arrived(INBOX, SCORED)
        if not files:
            return None if any(resumed) else skipped(f"nothing new in {INBOX}")
        approved, version = load_model_set(model_set)
        out = SCORED / _now()
        begin_list(files, out)
        _score(out, approved, version, settings.score)
        return None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")


def _resume(out: Path, model_set: str, settings: params.Score) -> bool:
    """Resume an unfinished run, or abandon it; whether it was resumed."""
    if is_joined(out) and asked_in(out):
        # Its tables were written with the models in production at that time.
        _score(out, *load_model_set((manifest_of(out) or {}).get("version", model_set)), settings)
        return True
    (approved, version), files = load_model_set(model_set), asked_in(out)
    if files and can_resume(files, approved, version, "auto", settings, out):
        _score(out, approved, version, settings)
        return True
    abandon(out)
    return False


def _score(out: Path, approved: ApprovedModels, version: str, settings: params.Score) -> None:
    if not is_joined(out):
        score_sources(asked_in(out), approved, version, "auto", settings, out)
    settle_list(out)
    count_scored(out)
    watch_drift(out, approved, settings.drift, version)
    # They load Matplotlib, which an inbox with nothing new does without.
    from tasks.plots import annotated_images, scoring_report

    annotated_images.draw_pictures(out, settings)
    scoring_report.write_report(out, approved, settings)
    note_arrived(out)
    finish_run(out)
