"""The page of the command line, from Typer's own help."""

import re

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from flows.cli import make_app

INTRODUCTION = """\
# Command line

`python -m docs.generate` writes this page from the help of the commands. `faces COMMAND --help` shows the same text.

Activate the environment first (`source .venv/bin/activate`). `faces` belongs to the checkout that it was installed in
and refuses to run in another one. Stages, deployments and workers start `python -m flows`, which has the same commands
and runs the code of the current folder. `faces --install-completion` installs completion for your shell.

Exit codes: see [Error messages and exit codes](errors.md).
"""


def page() -> str:
    """Return the page: a section per command that a person runs, with its arguments and options."""
    command = get_command(make_app())
    parts = [INTRODUCTION]
    for name, each in command.commands.items():  # type: ignore[attr-defined]
        if not each.hidden:
            context = typer.Context(each, info_name=f"faces {name}")
            text = get_docs_for_click(obj=each, ctx=context, name=name, call_prefix="faces", indent=1)
            parts.append("\n" + text.strip().replace("```console", "```text") + "\n")
    return re.sub(r"\n{3,}", "\n\n", "".join(parts))
