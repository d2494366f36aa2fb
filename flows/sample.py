"""Stage `sample`: the embedded default tables."""

from pathlib import Path

import params
from tasks.data.synthetic import draw_table, report_planted
from tasks.orchestration.api import flow


@flow
def sample() -> None:
    """Draw the sample faces into `data/sample/`."""
    settings = params.load().sample
    for head in params.HEADS:
        draw_table(head, settings, Path(f"data/sample/{head}.csv"))
    report_planted(settings)


if __name__ == "__main__":
    from flows.stage import main

    main(sample)
