"""Stage `report_predictions`: a figure of faces that the stage `score` scored."""

from pathlib import Path

import params
from tasks.plots.prediction_grid import draw_predictions


def report_predictions(settings: params.Params) -> None:
    """Draw some of the scored faces, with their keypoints and emotion."""
    num_examples = settings.report_predictions.num_examples
    draw_predictions(Path("data/scored"), settings.score, num_examples, Path("reports/score/predictions.png"))
