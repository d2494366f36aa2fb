"""The tables of the benchmarks show every cell as given."""

import pytest

from benchmarks.tables import print_table


def test_text_in_brackets_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        "faces [bold], a title wider than its table", ["way", "faces/s"], [["ours [red]", "12"], ["theirs", ""]]
    )
    shown = capsys.readouterr().out
    assert shown.startswith("faces [bold], a title wider than its table\n")
    rows = [
        [cell.strip() for cell in line.strip("│┃").split(line[0])] for line in shown.splitlines() if line[0] in "│┃"
    ]
    assert rows == [["way", "faces/s"], ["ours [red]", "12"], ["theirs", ""]]
