"""Exploratory data analysis: both valid tables in figures."""

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES, LABEL_SETS


def info_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a column: `column`, `dtype`, `non_null` and `missing` counts."""
    present = table.notna().sum()
    columns = {"dtype": table.dtypes.astype(str), "non_null": present, "missing": len(table) - present}
    return pd.DataFrame(columns).rename_axis("column").reset_index()


def describe_table(table: pd.DataFrame, images: np.ndarray) -> pd.DataFrame:
    """One row a figure: `column`, then pandas' describe; coordinates in pixels, grey levels 0..255 of (N, H, W)."""
    figures = table[[name for name in COORDINATES if name in table]].astype(float)
    # Face by face: as floats all at once, forty thousand faces would take gigabytes.
    greys = {"grey_mean": [face.mean() for face in images], "grey_deviation": [face.std() for face in images]}
    return figures.assign(**greys).describe().T.astype({"count": int}).rename_axis("column").reset_index()


def class_counts(emotions: pd.Series) -> pd.Series:
    """Faces of each class of the smallest label set that has them all, in its order; 0 where none."""
    names = min((names for names in LABEL_SETS.values() if set(emotions) <= set(names)), key=len)
    return emotions.value_counts().reindex(list(names), fill_value=0)


def imbalance_sentence(counts: pd.Series) -> str:
    """Largest against smallest class that has faces, what always guessing the largest scores, which have none."""
    present = counts[counts > 0].sort_values(ascending=False, kind="stable")
    largest, smallest = present.index[0], present.index[-1]
    lines = [f"Largest to smallest class: {present.iloc[0] / present.iloc[-1]:.1f} to 1 ({largest} to {smallest})."]
    lines.append(f"Always guessing {largest} is right for {present.iloc[0] / counts.sum():.1%}: the score to beat.")
    if len(present) < len(counts):
        lines.append(f"No face at all: {', '.join(counts.index[counts == 0])}.")
    return "\n".join(lines)
