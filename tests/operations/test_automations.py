"""Automations are replaced, not duplicated, also those of an earlier version of the project; equal ones stay."""

from types import SimpleNamespace
from typing import Any

import pytest
from prefect.automations import Automation

from tasks.operations import automations
from tasks.operations.automations import CRASH_AUTOMATION, FORMER_NAMES, _delete, crash_silent_runs


class Client:
    """An API with automations by ID."""

    def __init__(self, automations: dict[int, Any]) -> None:
        self.automations = automations

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_automations_by_name(self, name: str) -> list[Any]:
        return [one for one in self.automations.values() if one.name == name]

    def delete_automation(self, number: int) -> None:
        del self.automations[number]


def named(number: int, name: str) -> SimpleNamespace:
    return SimpleNamespace(id=number, name=name)


@pytest.mark.parametrize("name", FORMER_NAMES)
def test_an_automation_is_deleted_by_its_name_and_its_former_name(name: str) -> None:
    others = named(3, "a user's own")
    client: Any = Client({1: named(1, name), 2: named(2, FORMER_NAMES[name]), 3: others})
    _delete(client, name)
    assert client.automations == {3: others}


def test_an_equal_automation_stays_and_another_one_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """An automation counts the seconds since each heartbeat that it has seen; a new one has seen none."""
    client = Client({})

    def create(automation: Automation) -> None:
        kept = automation.model_copy(update={"id": len(client.automations) + 1})
        client.automations[len(client.automations) + 1] = kept

    monkeypatch.setattr(automations, "get_client", lambda **_: client)
    monkeypatch.setattr(Automation, "create", create)
    crash_silent_runs(180)
    (first,) = client.automations.values()
    crash_silent_runs(180)
    assert list(client.automations.values()) == [first]
    crash_silent_runs(90)
    (second,) = client.automations.values()
    assert second is not first
    former = second.model_copy(update={"id": 7, "name": FORMER_NAMES[CRASH_AUTOMATION]})
    client.automations[7] = former
    crash_silent_runs(90)
    assert [one.name for one in client.automations.values()] == [CRASH_AUTOMATION]
