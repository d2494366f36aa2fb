"""The command line. Each command imports what it runs, so that help and completion are quick."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_operations import PASS_ON, check, dask_worker, down, repro, status, up, versions, worker
from flows.cli_release import export, promote, release, rollback
from flows.cli_scoring import inbox, score

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
    for command in (pipeline, score, inbox, export, release, promote, rollback):
        app.command()(command)
    for command in (up, down, status, check, versions, demo):
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


def demo() -> None:
    """Run all stages and show the results.

    Checks the settings and starts the server before.
    """
    from flows.runner import reporting_errors

    with reporting_errors("demo"):
        from flows.demo import demo

        demo()
