"""Automations are replaced, not duplicated, also those that an earlier version of the project created."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.operations.deployments import FORMER_NAMES, _delete


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
