"""Puts networks that passed the gate into production. Outside DVC's graph: the gate would else await its own result."""

from pathlib import Path

import params
from tasks.judged import judged_networks
from tasks.orchestration import alone, flow, log
from tasks.promote import compare_with_champion, put_into_production, require_ready, roll_back, version_of
from tasks.registry import NETWORKS, fetch, in_production

VERDICT = Path("reports/verdict.json")


@flow
def promote(rollback: str | None = None) -> None:
    """Compare with the champion, push, commit, register, assign; or put an older version back."""
    if rollback:
        roll_back(rollback)
        return
    # A pipeline would change beneath it what is being promoted.
    with alone("the pipeline"):
        _promote()


def _promote() -> None:
    challenger, champion = judged_networks(VERDICT), in_production()
    require_ready(challenger, VERDICT)
    if champion and version_of(VERDICT) == champion:
        log(f"{champion}, which is in production, holds these networks already")
        return
    if champion:
        theirs = fetch(champion)
        compare_with_champion(
            judged_networks(theirs, theirs.parent / NETWORKS), champion, params.load().promote, challenger
        )
    else:
        log("no version is in production yet, as far as the tags here tell: the verdict alone decides")
    put_into_production(VERDICT)


if __name__ == "__main__":
    from flows.stage import main

    main(promote)
