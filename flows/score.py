"""Stage `score`: both networks over a batch, one table of predictions; or, by hand, over photographs."""

from pathlib import Path

import params
from tasks.files import InputError
from tasks.judged import Judged, judged_networks
from tasks.orchestration import flow
from tasks.photographs import score_photographs
from tasks.registry import NETWORKS, fetch
from tasks.score import draw_predictions, predict_faces, read_faces

VERDICTS = {"workspace": Path("reports/verdict.json"), "released": Path("models/released/verdict.json")}
SCORED, PICTURE = Path("scored"), Path("reports/score/predictions.png")


@flow
def score(
    photographs: list[Path] = [],  # noqa: B006  never changed, and Prefect shows the default
    models: str = "workspace",
    out: Path = SCORED,
) -> None:
    """Score `score.input` into `data/scored/`, or photographs into `--out`, with networks that a verdict lets pass.

    `--models`: workspace, those that `dvc repro` trained here; prod, those in production; a version; or released.
    """
    settings = params.load().score
    by_hand = bool(photographs) or models != "workspace"
    if not by_hand and out != SCORED:
        raise InputError("--out is for photographs and for other --models; score.input goes to data/scored")
    judged = _judged(models)
    if photographs:
        score_photographs(photographs, judged, out)
        return
    # What is scored by other networks than DVC's graph says must not take the place of what DVC made.
    folder, picture = (out, out / "predictions.png") if by_hand else (Path("data/scored"), PICTURE)
    faces = read_faces(Path(settings.input), folder / "faces.npz")
    predictions = predict_faces(faces, judged, folder / "predictions.parquet")
    draw_predictions(faces, predictions, settings.faces_drawn, picture)


def _judged(models: str) -> Judged:
    if models in VERDICTS:
        return judged_networks(VERDICTS[models])
    verdict = fetch(models)
    return judged_networks(verdict, verdict.parent / NETWORKS)


if __name__ == "__main__":
    from flows.stage import main

    main(score)
