"""Normalization constants, from training faces only."""

import json
from pathlib import Path

from faces.preparation.normalization import pixel_statistics
from tasks.common.dataset import load_dataset
from tasks.common.files import replacing
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task


@task
def normalize(model_name: str, prepared: Path) -> Path:
    """Write mean and standard deviation of the training faces and their copies; the model normalizes its input."""
    statistics = pixel_statistics(*(load_dataset(prepared / f"{name}.npz").images for name in ("train", "augmented")))
    with replacing(prepared / "normalization.json") as temporary:
        temporary.write_text(json.dumps(statistics))
    log(f"{model_name}: mean grey level {statistics['mean']:.1f}, standard deviation {statistics['std']:.1f}")
    return prepared
