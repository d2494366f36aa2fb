"""Promotes models that passed the gate to production. Outside DVC's graph, where the gate would need its own result."""

from pathlib import Path

import params
from tasks.orchestration.api import exclusive_lock, flow
from tasks.release.promotion import promote_challenger
from tasks.release.rollback import roll_back

GATE_RESULT = Path("reports/gate.json")


@flow
def promote(rollback: str | None = None) -> None:
    """Compare with the champion, push, commit, register, assign; or roll back to an earlier version."""
    if rollback:
        roll_back(rollback)
        return
    # A pipeline run would change the models during their promotion.
    with exclusive_lock("the pipeline"):
        promote_challenger(GATE_RESULT, params.load().promote)


if __name__ == "__main__":
    from flows.stage import main

    main(promote)
