"""Stage `score`: scores `score.input` with both models into one table of predictions; by hand, any sources."""

from pathlib import Path
from typing import Literal

import params
from tasks.common.files import InputError, source_of
from tasks.models.approved_models import ApprovedModels, load_approved_models
from tasks.orchestration.api import flow
from tasks.readers.sources import require_outside, sources_of
from tasks.release.registry import MODEL_FILES, fetch
from tasks.scoring.batch import score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.run_folder import finish_run
from tasks.scoring.summary import count_scored, write_csv

GATE_RESULTS = {"workspace": Path("reports/gate.json")} | {
    name: Path("models", name, "gate.json") for name in ("released", "fast")
}
SCORED = Path("scored")
STAGE, SHARDS = Path("data/scored"), Path("data/scoring")
"""The output of the stage, and the folder of the shards of an unfinished run, which DVC does not remove."""


@flow
def score(
    sources: list[str] = [],  # noqa: B006  never changed, and Prefect shows the default
    model_set: str = "workspace",
    out: Path = SCORED,
    mode: Literal["auto", "detect", "whole"] = "auto",
    draw: bool = False,
    csv: bool = False,
    dask: str = "",
) -> None:
    """Score any sources, or `score.input`, into `out`, with models that passed the quality gate.

    `score.input` with the models of the workspace is the DVC stage, which writes to `data/scored`.

    Args:
        sources: Images, folders of images, patterns, raw CSV tables, Parquet tables of images, prepared splits, or
            addresses; names are written as in the column `source`.
        model_set: workspace, as trained here by `dvc repro`; prod, in production; a version; released or fast.
        out: A new folder, or that of an interrupted run over the same sources, which is resumed.
        mode: detect faces; take each image whole, as one face; or auto: whole up to the size of a crop.
        draw: Also write each image with its faces annotated, and a report, into the folder.
        csv: Also write the predictions as CSV, as the stage always does.
        dask: Address of a Dask scheduler whose workers score, tcp://HOST:PORT; empty for this machine.
    """
    settings, (approved, version) = params.load().score, _approved_models(model_set)
    is_stage = not sources and model_set == "workspace"
    if is_stage and (out, mode, draw) != (SCORED, "auto", False):
        raise InputError(f"--out, --mode and --draw need sources or another model set; {STAGE} is written by the stage")
    out, shards_folder = (STAGE, SHARDS) if is_stage else (out, None)
    given = [source_of(text) for text in sources] or [settings.input]
    require_outside(out, given)
    score_sources(sources_of(given), approved, version, mode, settings, out, dask, shards_folder)
    count_scored(out)
    watch_drift(out, approved.reference, settings.drift, version)
    if csv or is_stage:
        write_csv(out)
    if draw:
        _draw(out, approved, settings)
    finish_run(out, shards_folder)


def _draw(out: Path, approved: ApprovedModels, settings: params.Score) -> None:
    # Imported here: the stage draws nothing, and so a change of a figure does not score again.
    from tasks.plots.annotated_images import draw_pictures
    from tasks.plots.scoring_report import write_report

    draw_pictures(out, settings)
    write_report(out, approved.reference, settings)


def _approved_models(model_set: str) -> tuple[ApprovedModels, str]:
    """The models of a model set, and the model version for the table of predictions."""
    if model_set in GATE_RESULTS:
        return load_approved_models(GATE_RESULTS[model_set]), model_set
    gate_result = fetch(model_set)
    return load_approved_models(gate_result, gate_result.parent / MODEL_FILES), gate_result.parent.name


if __name__ == "__main__":
    from flows.stage import main

    main(score)
