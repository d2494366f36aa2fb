"""Exploratory data analysis of both valid tables: summary statistics and class balance."""

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES, LABEL_ENCODINGS


def info_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row per column: `column`, `dtype`, `non_null` and `missing` counts, and `missing_fraction`.

    A keypoint that was marked as unlabelled by (0, 0) is missing here.
    """
    present = table.notna().sum()
    missing = len(table) - present
    columns = {"dtype": table.dtypes.astype(str), "non_null": present, "missing": missing}
    return pd.DataFrame({**columns, "missing_fraction": missing / len(table)}).rename_axis("column").reset_index()


def describe_table(table: pd.DataFrame, images: np.ndarray) -> pd.DataFrame:
    """One row per coordinate (pixels) and grey-level statistic of (N, H, W) uint8: `column`, then pandas' describe.

    `most_common` is a column's most common value, `most_common_fraction` its fraction of the column's values. A row
    `points_at_origin` has the statistics of unlabelled points at (0, 0) per face, if the table counts them.
    """
    names = [name for name in (*COORDINATES, "points_at_origin") if name in table]
    coordinates = table[names].astype(float)
    # One image at a time: as floats, forty thousand images would take gigabytes.
    greys = {"grey_mean": [image.mean() for image in images], "grey_deviation": [image.std() for image in images]}
    columns = coordinates.assign(**greys)
    described = columns.describe().T.astype({"count": int})
    described[["most_common", "most_common_fraction"]] = [most_common(columns[name]) for name in columns]
    return described.rename_axis("column").reset_index()


def most_common(values: pd.Series) -> tuple[float, float]:
    """The most common number, and its fraction of the numbers; both NaN if there is none."""
    counts = values.value_counts()
    return (float(counts.index[0]), counts.iloc[0] / counts.sum()) if len(counts) else (np.nan, np.nan)


def class_counts(emotions: pd.Series) -> pd.Series:
    """Faces per class, in the order of the smallest label encoding that contains all classes; 0 for absent classes."""
    names = min((names for names in LABEL_ENCODINGS.values() if set(emotions) <= set(names)), key=len)
    return emotions.value_counts().reindex(list(names), fill_value=0)


def imbalance_sentence(counts: pd.Series) -> str:
    """Ratio of the largest to the smallest non-empty class, majority-class accuracy, and the empty classes."""
    present = counts[counts > 0].sort_values(ascending=False, kind="stable")
    largest, smallest = present.index[0], present.index[-1]
    lines = [f"Largest to smallest class: {present.iloc[0] / present.iloc[-1]:.1f} to 1 ({largest} to {smallest})."]
    lines.append(
        f"Always predicting {largest} is {present.iloc[0] / counts.sum():.1%} accurate: the majority-class baseline."
    )
    if len(present) < len(counts):
        lines.append(f"Classes without faces: {', '.join(counts.index[counts == 0])}.")
    return "\n".join(lines)
