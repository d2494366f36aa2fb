"""Commands that score faces."""

from enum import StrEnum
from typing import Annotated

import typer


class Mode(StrEnum):
    """How an image becomes faces."""

    auto = "auto"
    detect = "detect"
    whole = "whole"


class Classes(StrEnum):
    """The emotions that are predicted."""

    auto = "auto"
    output = "output"
    all = "all"


ModelSetOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="workspace: as trained here; prod: in production; a version such as v1.0.0; released, fast, or another "
        "folder of models/ that `release` wrote.",
    ),
]


def score(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Images, videos, folders of them, zips of images, patterns, raw CSV or Parquet tables, prepared "
            "splits (.npz), or addresses; none for score.input of params.yaml.",
        ),
    ] = None,
    model_set: ModelSetOption = "workspace",
    out: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="A new folder, or that of an interrupted run, which is resumed; or an address, s3://BUCKET/FOLDER.",
        ),
    ] = "scored",
    mode: Annotated[
        Mode,
        typer.Option(
            help="detect faces; take each image whole; or auto: whole up to a crop's size, or if one face fills it."
        ),
    ] = Mode.auto,
    classes: Annotated[
        Classes,
        typer.Option(
            help="output: the emotions that the gate judged; all: every one the model was trained on; auto: all for "
            "images and videos, output for rows of tables."
        ),
    ] = Classes.auto,
    draw: Annotated[bool, typer.Option("--draw", help="Also write annotated images and videos, and a report.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Also write the predictions as CSV.")] = False,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=1000, help="Frames per second of videos that are scored, the nearest to such times; or all."
        ),
    ] = None,
    dask: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Scheduler of Dask workers that score, tcp://HOST:PORT.")
    ] = "",
) -> None:
    """Predict keypoints and emotion of any faces.

    Writes predictions.parquet and skipped.parquet, and the drift from the faces that the models were evaluated on.
    """
    from flows.runner import run_command
    from tasks.common.files import text_of
    from tasks.transfer.uploads import working_folder

    arguments = {
        "sources": [text_of(source) for source in sources or []],  # Prefect's API accepts only UTF-8
        "model_set": model_set,
        "out": out,
        "mode": mode.value,
        "classes": classes.value,
        "draw": draw,
        "csv": csv,
        "fps": fps,
        "dask": dask,
    }
    run_command("score", "flows.score", arguments, into=working_folder(out))


def inbox(model_set: ModelSetOption = "prod") -> None:
    """Score the new files of data/inbox."""
    from flows.runner import run_command

    run_command("inbox", "flows.inbox", {"model_set": model_set})
