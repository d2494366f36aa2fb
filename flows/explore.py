"""Stage `explore`: statistics and figures of both validated tables."""

from pathlib import Path

import params
from tasks.data.exploration import describe, draw_emotion, draw_keypoints
from tasks.orchestration.api import flow


@flow
def explore() -> None:
    """Describe both validated tables and draw their faces."""
    settings, figures = params.load().explore, Path("reports/figures/explore")
    for model_name in params.MODELS:
        describe(model_name, Path(f"data/validated/{model_name}.parquet"), Path("reports/explore"))
    draw_keypoints(Path("data/validated/keypoints.parquet"), settings, figures)
    draw_emotion(Path("data/validated/emotion.parquet"), settings, figures)


if __name__ == "__main__":
    from flows.stage import main

    main(explore)
