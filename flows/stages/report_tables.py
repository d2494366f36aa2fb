"""Stage `report_tables`: figures of both validated tables, before anything is trained."""

from pathlib import Path

import params
from tasks.plots.exploration import draw_emotion, draw_keypoints


def report_tables(settings: params.Params) -> None:
    """Draw the faces of both validated tables, and what is known of them."""
    chosen, figures = settings.dataset.report_tables, Path("reports/figures/tables")
    draw_keypoints(Path("data/validated/keypoints.parquet"), chosen, figures)
    draw_emotion(Path("data/validated/emotion.parquet"), chosen, figures)
