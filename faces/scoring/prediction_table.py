"""The table of predictions: one row per face, with its emotion and its 15 keypoints."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES


def prediction_table(
    rows: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], keypoints: np.ndarray
) -> pd.DataFrame:
    """Columns `row`, `emotion`, `confidence`, `probability_CLASS`, and the 30 coordinates as in `keypoints`.

    `rows` (N,), `probabilities` (N, classes), NaN where a class was not asked for, `keypoints` (N, 15, 2).
    """
    best = np.nan_to_num(probabilities, nan=-1).argmax(axis=1)
    predicted = pd.DataFrame(
        {"row": rows, "emotion": np.asarray(classes, object)[best], "confidence": np.nanmax(probabilities, axis=1)}
    )
    by_class = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in classes])
    coordinates = pd.DataFrame(keypoints.reshape(len(keypoints), 30), columns=list(COORDINATES))
    return pd.concat([predicted, by_class, coordinates], axis=1)


def spread_classes(probabilities: np.ndarray, classes: Sequence[str], into: Sequence[str]) -> np.ndarray:
    """Probabilities (N, classes) in the columns of the classes `into`, (N, len(into)); NaN in all other columns."""
    spread = np.full((len(probabilities), len(into)), np.nan)
    spread[:, [list(into).index(name) for name in classes]] = probabilities
    return spread
