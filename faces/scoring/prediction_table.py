"""One table of predictions: a row a face, with its emotion and its 15 points."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES


def prediction_table(
    rows: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], points: np.ndarray
) -> pd.DataFrame:
    """Columns `row`, `emotion`, `confidence`, `probability_CLASS` and the 30 coordinates in pixels of the face given.

    `rows` (N,), `probabilities` (N, classes), `points` (N, 15, 2).
    """
    best = probabilities.argmax(axis=1)
    head = pd.DataFrame(
        {"row": rows, "emotion": np.asarray(classes, object)[best], "confidence": probabilities.max(axis=1)}
    )
    each = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in classes])
    coordinates = pd.DataFrame(points.reshape(len(points), 30), columns=list(COORDINATES))
    return pd.concat([head, each, coordinates], axis=1)
