"""Stage `sample`: the default tables, of synthetic faces."""

from pathlib import Path

import params
from tasks.data.synthetic import draw_table, report_planted
from tasks.orchestration.api import flow


@flow
def sample() -> None:
    """Draw the sample faces and write their tables into `data/sample/`."""
    settings = params.load().sample
    for model_name in params.MODELS:
        draw_table(model_name, settings, Path(f"data/sample/{model_name}.csv"))
    report_planted(settings)


if __name__ == "__main__":
    from flows.stage import main

    main(sample)
