"""Stage `sample`: the embedded default tables."""

from pathlib import Path

import params
from tasks.orchestration import flow
from tasks.sample import draw_table, report_planted


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
