"""Stage `score`: both networks over a batch, one table of predictions; or, by hand, over photographs."""

from pathlib import Path
from typing import Literal

import params
from tasks.files import InputError
from tasks.judged import judged_networks
from tasks.orchestration import flow
from tasks.photographs import score_photographs
from tasks.score import draw_predictions, predict_faces, read_faces

VERDICTS = {"workspace": Path("reports/verdict.json"), "released": Path("models/released/verdict.json")}
SCORED = Path("scored")


@flow
def score(
    photographs: list[Path] = [],  # noqa: B006  never changed, and Prefect shows the default
    models: Literal["workspace", "released"] = "workspace",
    out: Path = SCORED,
) -> None:
    """Score `score.input` into `data/scored/`, or photographs into `--out`, with networks that a verdict lets pass."""
    settings = params.load().score
    if not photographs and (models != "workspace" or out != SCORED):
        raise InputError("--models and --out are for photographs; name some, or set score.input in params.yaml")
    judged = judged_networks(VERDICTS[models])
    if photographs:
        score_photographs(photographs, judged, out)
        return
    faces = read_faces(Path(settings.input), Path("data/scored/faces.npz"))
    predictions = predict_faces(faces, judged, Path("data/scored/predictions.parquet"))
    draw_predictions(faces, predictions, settings.faces_drawn, Path("reports/score/predictions.png"))


if __name__ == "__main__":
    from flows.stage import main

    main(score)
