"""Tables that stages log."""

import io
from typing import Any

import pytest
from rich.console import Console

from tasks.orchestration import artifacts
from tasks.orchestration.artifacts import counted


def test_every_cell_of_a_table_is_below_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, sent = io.StringIO(), list[dict[str, Any]]()
    monkeypatch.setattr(artifacts, "console", lambda: Console(file=shown, width=80))
    monkeypatch.setattr(artifacts, "recording", lambda: True)
    monkeypatch.setattr(artifacts, "send", lambda make, **artifact: sent.append(artifact))
    rows = [{"split": "train", "anger": 1, "fear": 2, "sad": 3}, {"split": "test", "sad": 30, "anger": 10, "calm": 40}]
    artifacts.log_table("splits", rows, "Splits")
    lines = [
        [cell.strip() for cell in line[1:-1].replace("┃", "│").split("│")] for line in shown.getvalue().split("\n")
    ]
    printed = [line for line in lines if line[0] in ("split", "train", "test")]
    expected = [
        ["split", "anger", "fear", "sad", "calm"],
        ["train", "1", "2", "3", ""],
        ["test", "10", "", "30", "40"],
    ]
    assert printed == expected
    assert [[str(value) for value in row.values()] for row in sent[0]["table"]] == expected[1:]


@pytest.mark.parametrize(
    ("count", "words", "shown"),
    [
        (1, ("row",), "1 row"),
        (0, ("row",), "0 rows"),
        (2304, ("row",), "2,304 rows"),
        (1, ("copy", "copies"), "1 copy"),
        (2, ("file has", "files have"), "2 files have"),
    ],
)
def test_a_count_agrees_with_its_noun(count: int, words: tuple[str, ...], shown: str) -> None:
    assert counted(count, *words) == shown
