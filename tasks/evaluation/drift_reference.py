"""Writes the reference data for the drift check."""

import json
from pathlib import Path

from faces.scoring.drift import pixel_properties, reference_of
from tasks.common.dataset import load_dataset
from tasks.common.files import replacing
from tasks.evaluation.predictions import load_predictions
from tasks.orchestration.decorators import task


@task
def write_drift_reference(prepared: Path, predictions: Path, path: Path) -> Path:
    """Write image properties and predictions of the test split; on training images a model is overconfident."""
    test, probabilities = load_dataset(prepared / "test.npz"), load_predictions(predictions).predicted
    properties = pixel_properties(test.images) | {"confidence": probabilities.max(axis=1)}
    reference = reference_of(test.classes[probabilities.argmax(axis=1)], properties)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(reference._asdict()) + "\n")
    return path
