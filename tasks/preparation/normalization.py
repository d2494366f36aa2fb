"""The normalization constants, of training faces only."""

import json
from pathlib import Path

import numpy as np

from faces.preparation.normalization import pixel_statistics
from tasks.common.dataset import load_part
from tasks.common.files import replacing
from tasks.orchestration.api import log, task


@task
def normalise(head: str, prepared: Path) -> Path:
    """Write the constants of the training faces, copies included, that the network will carry; arrays stay uint8."""
    images = np.concatenate([load_part(prepared / f"{name}.npz").images for name in ("train", "augmented")])
    statistics = pixel_statistics(images)
    with replacing(prepared / "normalisation.json") as temporary:
        temporary.write_text(json.dumps(statistics))
    log(f"{head}: grey levels of mean {statistics['mean']:.1f} and deviation {statistics['std']:.1f}")
    return prepared
