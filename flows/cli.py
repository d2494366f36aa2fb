"""The command line. Each command imports what it runs, so that help and completion are quick."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_operations import PASS_ON, check, dask_worker, down, repro, status, up, versions, worker
from flows.cli_release import export, promote, rollback

STAGES = Path(__file__).parent / "stages"


def make_app() -> typer.Typer:
    """Return the application with all commands; the hidden ones are run by processes of this project."""
    app = typer.Typer(
        name="faces",
        help="15 keypoints and an emotion for every face: DVC stages, Prefect flows, two residual networks.",
        no_args_is_help=True,
        # Plain help: drawing boxes with Rich takes half of the time that help takes.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command(epilog=f"Stages: {', '.join(stages())}.")(run)
    for command in (pipeline, score, inbox, export, promote, rollback, up, down, status, check, versions, demo):
        app.command()(command)
    app.command(hidden=True)(worker)
    app.command(hidden=True, context_settings=PASS_ON)(repro)
    app.command(name="dask-worker", hidden=True, context_settings=PASS_ON)(dask_worker)
    return app


class Model(StrEnum):
    """The models; `params` has them too, but takes long to import."""

    keypoints = "keypoints"
    emotion = "emotion"


class Split(StrEnum):
    """The splits that a model can be evaluated on."""

    test = "test"
    val = "val"


SPLITS = {Split.test: "test", Split.val: "validation"}
"""Names of the splits in `data/prepared`."""


class Mode(StrEnum):
    """How an image becomes faces."""

    auto = "auto"
    detect = "detect"
    whole = "whole"


def stages() -> list[str]:
    """Return the names of the stages: each is a module of flows/stages."""
    return sorted(path.stem for path in STAGES.glob("[!_]*.py"))


def _known_stage(stage: str) -> str:
    if stage not in stages():
        raise typer.BadParameter(f"there is no stage {stage}; name one of {', '.join(stages())}")
    return stage


StageArgument = Annotated[
    str,
    typer.Argument(
        metavar="STAGE",
        help="A stage of dvc.yaml.",
        callback=_known_stage,
        autocompletion=stages,
    ),
]
ModelArgument = Annotated[
    Model | None, typer.Argument(metavar="MODEL", help="keypoints or emotion, where a stage has both.")
]
ModelSetOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="workspace: as trained here; prod: in production; a version such as v1.0.0; released or fast.",
    ),
]


def run(
    stage: StageArgument,
    model: ModelArgument = None,
    split: Annotated[
        Split | None,
        typer.Option(help="For evaluate: val writes to reports/evaluate_validation, and no output of dvc.yaml."),
    ] = None,
) -> None:
    """Run one stage by itself.

    `dvc repro` runs all stages that are out of date, in order.
    """
    from flows.runner import reporting_errors, run_stage
    from tasks.orchestration.stage_files import models_of

    with reporting_errors(stage):
        models = models_of(stage)
    if models and not model:
        raise typer.BadParameter(f"{stage} needs one: {', '.join(models)}", param_hint="MODEL")
    if model and not models:
        raise typer.BadParameter(f"{stage} takes none", param_hint="MODEL")
    if split and stage != "evaluate":
        raise typer.BadParameter(f"{stage} takes none", param_hint="--split")
    run_stage(stage, model.value if model else None, **({"split": SPLITS[split]} if split else {}))


def pipeline(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Stages or outputs, such as evaluate@emotion; none for all."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run stages even if nothing has changed.")] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Then promote the models, unless they are worse than the champion.")
    ] = False,
) -> None:
    """Run what is out of date as one Prefect run.

    Each stage starts as soon as its dependencies are done. Needs a Prefect API, see `up`.
    """
    from flows.runner import run_command

    arguments = {"targets": targets or [], "force": force, "promote": promote}
    run_command("pipeline", "flows.pipeline", arguments, needs_api=True)


def score(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Images, folders or zips of them, patterns, raw CSV or Parquet tables, prepared splits (.npz), or "
            "addresses; none for score.input of params.yaml.",
        ),
    ] = None,
    model_set: ModelSetOption = "workspace",
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="A new folder, or that of an interrupted run, which is resumed.")
    ] = Path("scored"),
    mode: Annotated[
        Mode, typer.Option(help="detect faces; take each image whole; or auto: whole up to the size of a crop.")
    ] = Mode.auto,
    draw: Annotated[bool, typer.Option("--draw", help="Also write annotated images and a report.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Also write the predictions as CSV.")] = False,
    dask: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Scheduler of Dask workers that score, tcp://HOST:PORT.")
    ] = "",
) -> None:
    """Predict keypoints and emotion of any faces.

    Writes predictions.parquet and skipped.parquet, and the drift from the faces that the models were evaluated on.
    """
    from flows.runner import run_command
    from tasks.common.files import text_of

    arguments = {
        "sources": [text_of(source) for source in sources or []],  # Prefect's API accepts only UTF-8
        "model_set": model_set,
        "out": out,
        "mode": mode.value,
        "draw": draw,
        "csv": csv,
        "dask": dask,
    }
    run_command("score", "flows.score", arguments, into=out)


def inbox(model_set: ModelSetOption = "prod") -> None:
    """Score the new files of data/inbox."""
    from flows.runner import run_command

    run_command("inbox", "flows.inbox", {"model_set": model_set})


def demo() -> None:
    """Run all stages and show the results.

    Checks the settings and starts the server before.
    """
    from flows.runner import reporting_errors

    with reporting_errors("demo"):
        from flows.demo import demo

        demo()
