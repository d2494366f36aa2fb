"""Stage `score`: both networks over a batch, one table of predictions."""

from pathlib import Path

import params
from tasks.orchestration import flow
from tasks.score import draw_predictions, named_classes, named_models, predict_faces, read_faces


@flow
def score() -> None:
    """Score the faces of `score.input` with the networks that the verdict lets pass; write `data/scored/`."""
    settings = params.load().score
    verdict = Path("reports/verdict.json")
    models = named_models(verdict)
    faces = read_faces(Path(settings.input), Path("data/scored/faces.npz"))
    predictions = predict_faces(faces, models, named_classes(verdict), Path("data/scored/predictions.parquet"))
    draw_predictions(faces, predictions, settings.faces_drawn, Path("reports/score/predictions.png"))


if __name__ == "__main__":
    from flows.stage import main

    main(score)
