"""The output of every benchmark: one table on standard output."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 120
"""Characters per line if standard output is not a terminal."""


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table. Titles and cells are plain text: square brackets are not markup."""
    table = Table()
    for column in columns:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    # Not as the table's title, which rich wraps to the width of the table.
    console.print(Text(title), soft_wrap=True)
    console.print(table)
