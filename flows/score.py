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
from tasks.transfer.uploads import discard, require_destination, upload, working_folder


def score(
    settings: params.Params,
    sources: list[str],
    model_set: str,
    out: str | Path,
    mode: Literal["auto", "detect", "whole"] = "auto",
    draw: bool = False,
    csv: bool = False,
    dask: str = "",
    classes: Classes = "auto",
    fps: float | None = None,
) -> None:
    """Score sources, or `score.input` if there are none, into `out`, with models that passed the quality gate.

    `out` is a folder, or an address that fsspec can write to: the files are uploaded when all of them are complete.
    `sources` are written as in the column `source`: images, folders of images, patterns, tables, or addresses.
    `classes` are the emotions that are predicted: those that the gate judged (`output`), all that the model was trained
    on (`all`), or all of images and videos and those that the gate judged of rows of tables (`auto`). `fps`: of videos
    only the frames nearest to such a time grid; None: all frames.
    """
    out, folder = str(out), working_folder(str(out))
    approved, version = load_model_set(model_set, classes)
    given = [source_of(text) for text in sources] or [settings.score.input]
    require_destination(out, given)
    require_outside(folder, given)
    found, left_out = find_sources(given)
    score_sources(found, approved, version, mode, settings.score, folder, dask, fps=fps)
    count_scored(folder, left_out)
    watch_drift(folder, approved, settings.score.drift, version)
    if csv:
        write_csv(folder)
    if draw:
        # They load Matplotlib, which takes longer than a photograph.
        from tasks.plots import annotated_images, annotated_videos, scoring_report

        annotated_images.draw_pictures(folder, settings.score)
        annotated_videos.draw_videos(folder, settings.score)
        scoring_report.write_report(folder, approved, settings.score, left_out)
    upload(folder, out)
    finish_run(folder)
    discard(folder, out)
