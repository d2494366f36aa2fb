"""Commands that release models: each imports what it runs, so that help and completion are quick."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model_set: Annotated[str, typer.Argument(metavar="NAME", help="A published model set: released or fast.")],
    prepared: Annotated[
        Path, typer.Option(metavar="FOLDER", help="data/prepared of a checkout: training faces that calibrate int8.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the set.")],
) -> None:
    """Export a published model set again.

    Writes its models in today's layers, in float32 and int8, and a gate result that names all files by hash.
    """
    from flows.runner import run_command

    run_command("export", "flows.export", {"model_set": model_set, "prepared": prepared, "out": out})


def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model set: models/NAME is its folder.")],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to write it instead.")] = None,
) -> None:
    """Publish the models that passed the gate as a folder.

    It has models, exports, gate result, settings, metrics, charts, and a page that says how each file came about.
    """
    from flows.runner import run_command

    run_command("release", "flows.release", {"name": name, "out": out})


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
