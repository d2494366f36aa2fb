"""Scores what arrived in `data/inbox/` since the last run: what the deployment `score` does every day."""

from datetime import UTC, datetime
from pathlib import Path

import params
from tasks.models.approved_models import Judged, judged_networks
from tasks.orchestration.api import alone, flow, skipped
from tasks.release.registry import NETWORKS, fetch
from tasks.scoring.annotated_images import count_scored, draw_pictures
from tasks.scoring.batch import finish_run, goes_on, manifest_of, score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.inbox import abandon, arrived, asked_in, begin_list, note_arrived, settle_list, unfinished
from tasks.scoring.report import write_page
from tasks.scoring.shards import is_joined

INBOX, SCORED = Path("data/inbox"), Path("data/from_inbox")


@flow
def inbox(models: str = "prod") -> object:
    """Score new files of `data/inbox/`, pictures and tables, into a folder of `data/from_inbox/` that bears the time.

    A run that was killed is gone on with first.

    Args:
        models: The networks in production (prod), whatever is trained meanwhile; or a version.
    """
    with alone("the inbox"):
        went_on = [_go_on(out, models) for out in unfinished(SCORED)]
        files = arrived(INBOX, SCORED)
        if not files:
            return None if any(went_on) else skipped(f"nothing new in {INBOX}")
        judged, version = _networks(models)
        out = SCORED / _now()
        begin_list(files, out)
        _score(out, judged, version)
        return None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")


def _networks(models: str) -> tuple[Judged, str]:
    verdict = fetch(models)
    return judged_networks(verdict, verdict.parent / NETWORKS), verdict.parent.name


def _go_on(out: Path, models: str) -> bool:
    """Whether a run that did not end could be gone on with; else it is given up."""
    if is_joined(out) and asked_in(out):
        # Its tables are of the networks that were in production then.
        _score(out, *_networks((manifest_of(out) or {}).get("version", models)))
        return True
    (judged, version), files = _networks(models), asked_in(out)
    if files and goes_on(files, judged, version, "auto", params.load().score, out):
        _score(out, judged, version)
        return True
    abandon(out)
    return False


def _score(out: Path, judged: Judged, version: str) -> None:
    settings = params.load().score
    if not is_joined(out):
        score_sources(asked_in(out), judged, version, "auto", settings, out)
    settle_list(out)
    count_scored(out)
    watch_drift(out, judged.reference, settings.drift, version)
    draw_pictures(out, settings)
    write_page(out, judged.reference, settings)
    note_arrived(out)
    finish_run(out)


if __name__ == "__main__":
    from flows.stage import main

    main(inbox)
