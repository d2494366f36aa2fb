"""Stage `explore`: statistics of both validated tables."""

from pathlib import Path

import params
from tasks.data.exploration import describe, log_label_offset


def explore(settings: params.Params) -> None:
    """Describe both validated tables."""
    for model_name in params.MODELS:
        describe(model_name, Path(f"data/validated/{model_name}.parquet"), Path("reports/explore"))
    log_label_offset(Path("data/validated/keypoints.parquet"))
