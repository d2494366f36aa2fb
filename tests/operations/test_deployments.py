"""Deployments of this project are recognized, also those that an earlier version of it created."""

from types import SimpleNamespace
from typing import Any

from tasks.operations.deployments import FORMER_ENTRYPOINTS, _ours, _paused, entrypoints


def test_deployments_of_an_earlier_version_are_ours_and_stay_paused() -> None:
    """Their entrypoints, by which deployments are recognized, have changed; those of other projects do not count."""
    today = entrypoints()
    assert FORMER_ENTRYPOINTS.keys() == today.keys()
    schedule = SimpleNamespace(schedule="every day", active=False)

    def deployment(name: str, entrypoint: str, paused: bool) -> SimpleNamespace:
        return SimpleNamespace(name=name, entrypoint=entrypoint, paused=paused, schedules=[schedule])

    former = deployment("retrain", FORMER_ENTRYPOINTS["retrain"], paused=True)
    current = deployment("score", today["score"], paused=False)
    foreign = deployment("score", "their/flows.py:score", paused=True)
    client: Any = SimpleNamespace(read_deployments=lambda: [former, current, foreign])
    assert _ours(client) == [former, current]
    assert _paused(client) == (["retrain"], [("retrain", "every day"), ("score", "every day")])
