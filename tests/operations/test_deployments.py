"""Automations are replaced, not duplicated, also those that an earlier version of the project created."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.operations.deployments import FORMER_ENTRYPOINTS, FORMER_NAMES, _delete, _entrypoints, _ours, _paused


class Client:
    """An API with automations, their names by ID."""

    def __init__(self, automations: dict[int, str]) -> None:
        self.automations = automations

    def read_automations_by_name(self, name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=number) for number, one in self.automations.items() if one == name]

    def delete_automation(self, number: int) -> None:
        del self.automations[number]


@pytest.mark.parametrize("name", FORMER_NAMES)
def test_an_automation_is_deleted_by_its_name_and_its_former_name(name: str) -> None:
    client: Any = Client({1: name, 2: FORMER_NAMES[name], 3: "a user's own"})
    _delete(client, name)
    assert client.automations == {3: "a user's own"}


def test_deployments_of_an_earlier_version_are_ours_and_stay_paused() -> None:
    """Their entrypoints, by which deployments are recognized, have changed; those of other projects do not count."""
    today = _entrypoints()
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
