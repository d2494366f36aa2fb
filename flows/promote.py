"""Puts networks that passed the gate into production. Outside DVC's graph: the gate would else await its own result."""

from pathlib import Path

import params
from tasks.orchestration.api import alone, flow
from tasks.release.promotion import promote_challenger, roll_back

VERDICT = Path("reports/verdict.json")


@flow
def promote(rollback: str | None = None) -> None:
    """Compare with the champion, push, commit, register, assign; or put an older version back."""
    if rollback:
        roll_back(rollback)
        return
    # A pipeline would change beneath it what is being promoted.
    with alone("the pipeline"):
        promote_challenger(VERDICT, params.load().promote)


if __name__ == "__main__":
    from flows.stage import main

    main(promote)
