"""Scores what arrived in `data/inbox/` since the last run: what the deployment `score` does every day."""

from datetime import UTC, datetime
from pathlib import Path

from tasks.inbox import arrived
from tasks.judged import judged_networks
from tasks.orchestration import alone, flow, skipped
from tasks.photographs import score_photographs
from tasks.registry import NETWORKS, fetch

INBOX, SCORED = Path("data/inbox"), Path("data/from_inbox")


@flow
def inbox(models: str = "prod") -> object:
    """Score new photographs of `data/inbox/` into a folder of `data/from_inbox/` that bears the time.

    Args:
        models: The networks in production (prod), whatever is trained meanwhile; or a version.
    """
    with alone("the inbox"):
        photographs = arrived(INBOX, SCORED)
        if not photographs:
            return skipped(f"nothing new in {INBOX}")
        verdict = fetch(models)
        judged = judged_networks(verdict, verdict.parent / NETWORKS)
        score_photographs(photographs, judged, SCORED / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ"))
        return None


if __name__ == "__main__":
    from flows.stage import main

    main(inbox)
