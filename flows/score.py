"""Scores any sources with any model set: `python -m flows score SOURCES`."""

from pathlib import Path
from typing import Literal

import params
from tasks.common.files import source_of
from tasks.models.approved_models import Classes
from tasks.readers.sources import find_sources, require_outside
from tasks.release.model_sets import load_model_set
from tasks.scoring.batch import score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.run_folder import finish_run
from tasks.scoring.summary import count_scored, write_csv


def score(
    settings: params.Params,
    sources: list[str],
    model_set: str,
    out: Path,
    mode: Literal["auto", "detect", "whole"] = "auto",
    draw: bool = False,
    csv: bool = False,
    dask: str = "",
    classes: Classes = "auto",
) -> None:
    """Score sources, or `score.input` if there are none, into `out`, with models that passed the quality gate.

    `sources` are written as in the column `source`: images, folders of images, patterns, tables, or addresses.
    `classes` are the emotions that are predicted: those that the gate judged (`output`), all that the model was trained
    on (`all`), or all of images and those that the gate judged of rows of tables (`auto`).
    """
    approved, version = load_model_set(model_set, classes)
    given = [source_of(text) for text in sources] or [settings.score.input]
    require_outside(out, given)
    found, left_out = find_sources(given)
    score_sources(found, approved, version, mode, settings.score, out, dask)
    count_scored(out, left_out)
    watch_drift(out, approved, settings.score.drift, version)
    if csv:
        write_csv(out)
    if draw:
        # They load Matplotlib, which takes longer than a photograph.
        from tasks.plots import annotated_images, scoring_report

        annotated_images.draw_pictures(out, settings.score)
        scoring_report.write_report(out, approved, settings.score, left_out)
    finish_run(out)
