"""The table of predictions: one row per face, with its emotion and its 15 keypoints."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES


def prediction_table(
    rows: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], keypoints: np.ndarray
) -> pd.DataFrame:
    """Columns `row`, `emotion`, `confidence`, `probability_CLASS`, and the 30 coordinates as in `keypoints`.

    `rows` (N,), `probabilities` (N, classes), `keypoints` (N, 15, 2).
    """
    best = probabilities.argmax(axis=1)
    predicted = pd.DataFrame(
        {"row": rows, "emotion": np.asarray(classes, object)[best], "confidence": probabilities.max(axis=1)}
    )
    by_class = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in classes])
    coordinates = pd.DataFrame(keypoints.reshape(len(keypoints), 30), columns=list(COORDINATES))
    return pd.concat([predicted, by_class, coordinates], axis=1)
