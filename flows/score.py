"""Stage `score`: both networks over a batch, one table of predictions; or, by hand, over any sources."""

from pathlib import Path
from typing import Literal

import params
from tasks.common.files import InputError, ignored_by_git, source_of
from tasks.models.approved_models import Judged, judged_networks
from tasks.orchestration.api import flow
from tasks.readers.sources import require_outside, sources_of
from tasks.release.registry import NETWORKS, fetch
from tasks.scoring.annotated_images import count_scored, draw_pictures, write_csv
from tasks.scoring.batch import finish_run, score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.report import write_page
from tasks.scoring.stage import draw_predictions, predict_faces, read_faces, require_new

VERDICTS = {"workspace": Path("reports/verdict.json")} | {
    name: Path("models", name, "verdict.json") for name in ("released", "fast")
}
SCORED, PICTURE = Path("scored"), Path("reports/score/predictions.png")


@flow
def score(
    sources: list[str] = [],  # noqa: B006  never changed, and Prefect shows the default
    models: str = "workspace",
    out: Path = SCORED,
    faces: Literal["auto", "detect", "whole"] = "auto",
    draw: bool = False,
    csv: bool = False,
    dask: str = "",
) -> None:
    """Score `score.input` into `data/scored/`, or any sources into `out`, with networks that a verdict lets pass.

    Args:
        sources: Pictures, folders of them, patterns, raw CSV tables, Parquet tables of pictures, or addresses; names as
            the column `source` has them.
        models: workspace, those that `dvc repro` trained here; prod, those in production; a version; released or fast.
        out: A new folder, or that of a run over the same sources that was killed: it goes on from there.
        faces: detect them; take each picture whole, as one face; or auto, whole where it is no larger than a crop.
        draw: Write each picture, with its faces drawn into it, and a page about all of them, into the folder too.
        csv: Write the predictions as CSV too.
        dask: Address of a Dask scheduler whose workers score, tcp://HOST:PORT; none for this machine.
    """
    settings = params.load().score
    judged, version = _judged(models)
    if sources:
        given = [source_of(text) for text in sources]
        require_outside(out, given)
        score_sources(sources_of(given), judged, version, faces, settings, out, dask)
        count_scored(out)
        watch_drift(out, judged.reference, settings.drift, version)
        if csv:
            write_csv(out)
        if draw:
            draw_pictures(out, settings)
            write_page(out, judged.reference, settings)
        finish_run(out)
        return
    if models == "workspace" and out != SCORED:
        raise InputError("--out is for sources of your own and for other --models; score.input goes to data/scored")
    # What is scored by other networks than DVC's graph says must not take the place of what DVC made.
    at_work = models == "workspace"
    if not at_work:
        require_new(out)
    folder, picture = (Path("data/scored"), PICTURE) if at_work else (ignored_by_git(out), out / "predictions.png")
    batch = read_faces(Path(settings.input), folder / "faces.npz")
    predictions = predict_faces(batch, judged, folder / "predictions.parquet")
    draw_predictions(batch, predictions, settings.faces_drawn, picture)


def _judged(models: str) -> tuple[Judged, str]:
    """The networks, and what the table of predictions calls them."""
    if models in VERDICTS:
        return judged_networks(VERDICTS[models]), models
    verdict = fetch(models)
    return judged_networks(verdict, verdict.parent / NETWORKS), verdict.parent.name


if __name__ == "__main__":
    from flows.stage import main

    main(score)
