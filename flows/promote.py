"""Promotes models that passed the gate to production, or rolls back. Outside DVC's graph, which makes no version."""

from pathlib import Path

import params
from tasks.orchestration.locks import exclusive_lock
from tasks.release.promotion import promote_challenger
from tasks.release.rollback import roll_back

GATE_RESULT = Path("reports/gate.json")


def promote(settings: params.Params) -> None:
    """Compare with the champion, push, commit, register and assign."""
    # A pipeline run would change the models during their promotion.
    with exclusive_lock("the pipeline"):
        promote_challenger(GATE_RESULT, settings.promote)


def rollback(settings: params.Params, version: str) -> None:
    """Assign production to an earlier version; `previous` is the one before the current."""
    with exclusive_lock("the pipeline"):
        roll_back(version)
