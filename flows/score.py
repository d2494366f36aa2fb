"""Stage `score`: scores `score.input` with both models into one table of predictions; by hand, any sources."""

from pathlib import Path
from typing import Literal

import params
from tasks.common.files import InputError, source_of
from tasks.orchestration.api import flow
from tasks.readers.sources import require_outside, sources_of
from tasks.release.model_sets import load_model_set as _approved_models
from tasks.scoring.annotated_images import count_scored, draw_pictures, write_csv
from tasks.scoring.batch import score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.report import draw_predictions, write_report
from tasks.scoring.run_folder import finish_run

SCORED = Path("scored")
STAGE, SHARDS, FIGURE = Path("data/scored"), Path("data/scoring"), Path("reports/score/predictions.png")
"""The outputs of the stage, and the folder of the shards of an unfinished run, which DVC does not remove."""


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
        draw_pictures(out, settings)
        write_report(out, approved.reference, settings)
    if is_stage:
        draw_predictions(out, settings, FIGURE)
    finish_run(out, shards_folder)


if __name__ == "__main__":
    from flows.stage import main

    main(score)
