"""Scores what arrived in `data/inbox/` since the last run: what the deployment `score` does every day."""

from datetime import UTC, datetime
from pathlib import Path

import params
from tasks.batch import score_sources
from tasks.batch_page import write_page
from tasks.drawn import count_scored, draw_pictures
from tasks.drift import watch_drift
from tasks.inbox import arrived, forget_unfinished, note_arrived
from tasks.judged import judged_networks
from tasks.orchestration import alone, flow, skipped
from tasks.registry import NETWORKS, fetch

INBOX, SCORED = Path("data/inbox"), Path("data/from_inbox")


@flow
def inbox(models: str = "prod") -> object:
    """Score new files of `data/inbox/`, pictures and tables, into a folder of `data/from_inbox/` that bears the time.

    Args:
        models: The networks in production (prod), whatever is trained meanwhile; or a version.
    """
    with alone("the inbox"):
        forget_unfinished(SCORED)
        files = arrived(INBOX, SCORED)
        if not files:
            return skipped(f"nothing new in {INBOX}")
        verdict, settings = fetch(models), params.load().score
        judged = judged_networks(verdict, verdict.parent / NETWORKS)
        out = SCORED / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        score_sources(list(files), judged, verdict.parent.name, "auto", settings, out)
        count_scored(out)
        watch_drift(out, judged.reference, settings.drift, verdict.parent.name)
        draw_pictures(out, settings)
        write_page(out, judged.reference, settings)
        note_arrived(files, out)
        return None


if __name__ == "__main__":
    from flows.stage import main

    main(inbox)
