"""Commands that release models: each imports what it runs, so that help and completion are quick."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model_set: Annotated[str, typer.Argument(metavar="NAME", help="A published model set: released or fast.")],
    prepared: Annotated[
        Path, typer.Option(metavar="FOLDER", help="data/prepared of a checkout: training faces that calibrate int8.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to write the set.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the set's own files.")] = False,
) -> None:
    """Export a published model set again.

    Writes its models in today's layers, in float32 and int8, and a gate result that names all files by hash.
    """
    from flows.runner import run_command

    if in_place == bool(out):
        raise typer.BadParameter("give either --in-place or --out FOLDER", param_hint="--out")
    run_command("export", "flows.export", {"model_set": model_set, "prepared": prepared, "out": out})


def promote() -> None:
    """Promote models that passed the gate.

    They are compared with the champion on the same test faces, and refused if they are worse.
    """
    from flows.runner import run_command

    run_command("promote", "flows.promote", {})


def rollback(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version; by default the one before.")
    ] = "previous",
) -> None:
    """Return production to an earlier version."""
    from flows.runner import run_command

    run_command("rollback", "flows.promote", {"version": version})
