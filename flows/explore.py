"""Stage `explore`: what both valid tables hold, in figures and pictures."""

from pathlib import Path

import params
from tasks.data.exploration import describe, draw_emotion, draw_keypoints
from tasks.orchestration.api import flow


@flow
def explore() -> None:
    """Describe both valid tables and draw their faces."""
    settings = params.load().explore
    folder = Path("reports/explore")
    for head in params.HEADS:
        describe(head, Path(f"data/valid/{head}.parquet"), folder)
    draw_keypoints(Path("data/valid/keypoints.parquet"), settings, folder)
    draw_emotion(Path("data/valid/emotion.parquet"), settings, folder)


if __name__ == "__main__":
    from flows.stage import main

    main(explore)
