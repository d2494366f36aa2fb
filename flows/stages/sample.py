"""Stage `sample`: the default tables, of synthetic faces."""

from pathlib import Path

import params
from tasks.data.synthetic import draw_table, report_planted


def sample(settings: params.Params) -> None:
    """Draw the sample faces and write their tables into `data/sample/`."""
    for model_name in params.MODELS:
        draw_table(model_name, settings.sample, Path(f"data/sample/{model_name}.csv"))
    report_planted(settings.sample)
