"""Stage `report_predictions`: a figure of faces that the stage `score` scored."""

from pathlib import Path

import params
from tasks.orchestration.api import flow
from tasks.plots.prediction_grid import draw_predictions


@flow
def report_predictions() -> None:
    """Draw some of the scored faces, with their keypoints and emotion."""
    draw_predictions(Path("data/scored"), params.load().score, Path("reports/score/predictions.png"))


if __name__ == "__main__":
    from flows.stage import main

    main(report_predictions)
