"""Stage `explore`: statistics and figures of both validated tables."""

from pathlib import Path

import params
from tasks.data.exploration import describe, draw_emotion, draw_keypoints


def explore(settings: params.Params) -> None:
    """Describe both validated tables and draw their faces."""
    chosen, figures = settings.dataset.explore, Path("reports/figures/explore")
    for model_name in params.MODELS:
        describe(model_name, Path(f"data/validated/{model_name}.parquet"), Path("reports/explore"))
    draw_keypoints(Path("data/validated/keypoints.parquet"), chosen, figures)
    draw_emotion(Path("data/validated/emotion.parquet"), chosen, figures)
