"""Writes the data of the emotion model's curves: confusion matrix, reliability diagram and risk-coverage curve."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.evaluation.selective import risk_coverage
from faces.models.calibration import Reliability, reliability
from tasks.common.dataset import load_dataset
from tasks.common.files import replacing
from tasks.evaluation.predictions import load_predictions
from tasks.orchestration.decorators import task


@task
def write_curves(prepared: Path, predictions: Path, folder: Path) -> None:
    """Write `confusion.csv`, a row per test face, `reliability.csv`, a row per bin, and `risk_coverage.csv`.

    The columns of `reliability.csv` are those of `Reliability`, before and after calibration.
    """
    test, loaded = load_dataset(prepared / "test.npz"), load_predictions(predictions)
    predicted = loaded.predicted.argmax(axis=1)
    _write_csv({"truth": test.classes[test.targets], "predicted": test.classes[predicted]}, folder / "confusion.csv")
    bins = {
        "before": reliability(test.targets, loaded.uncalibrated),
        "after": reliability(test.targets, loaded.predicted),
    }
    columns = {f"{name}_{when}": getattr(bins[when], name) for when in bins for name in Reliability._fields}
    _write_csv({"bin": np.arange(1, len(bins["after"].faces) + 1), **columns}, folder / "reliability.csv")
    coverage, risk = risk_coverage(test.targets, loaded.predicted)
    _write_csv({"coverage": coverage, "risk": risk}, folder / "risk_coverage.csv")


def _write_csv(columns: dict, path: Path) -> None:
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, float_format="%.6g")
