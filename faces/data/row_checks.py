"""Row checks: values derived from each raw row, which the expectation suites test instead of the pixel text."""

import numpy as np
import pandas as pd

from faces.common.pixel_text import pixel_checks
from faces.common.schema import COORDINATES, LABEL_ENCODINGS, class_name


def _pixel_columns(texts: pd.Series) -> pd.DataFrame:
    return pixel_checks(texts.tolist()).set_index(texts.index).add_prefix("pixels_")


def numbers(texts: pd.Series) -> pd.Series:
    """Convert text cells to float64; NaN where empty or not a finite number."""
    return pd.to_numeric(texts.str.strip(), errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def emotion_row_checks(raw: pd.DataFrame, label_encoding: str) -> pd.DataFrame:
    """Columns `row`, `label`, `label_foreign`, `is_CLASS`, `usage` and `pixels_*` from the text columns of `read_raw`.

    `label` is a class name of `label_encoding`, or None. `label_foreign` is True for a label of another encoding only.
    `is_CLASS` is 1.0 or 0.0, so its mean is the fraction of the class. `usage` is None if the column is absent.
    """
    classes = LABEL_ENCODINGS[label_encoding]
    names = [class_name(text, label_encoding) for text in raw["emotion"]]
    label = pd.Series([name if name in classes else None for name in names], index=raw.index, dtype=object)
    known = np.array([any(class_name(text, other) for other in LABEL_ENCODINGS) for text in raw["emotion"]])
    checks = pd.DataFrame({"row": raw["row"], "label": label, "label_foreign": label.isna() & known})
    for name in classes:
        checks[f"is_{name}"] = (label == name).astype(float)
    checks["usage"] = raw["Usage"].str.strip() if "Usage" in raw else None
    return checks.join(_pixel_columns(raw["pixels"]))


def keypoint_row_checks(raw: pd.DataFrame) -> pd.DataFrame:
    """Columns `row`, the 30 coordinates as numbers (NaN where unlabelled), `points_*` and `pixels_*`.

    `points_numeric` is False if a cell holds text that is not a number. `points_paired` is False if only one coordinate
    of a keypoint is empty. `points_labelled` counts labelled keypoints. `points_least` and `points_greatest` are the
    minimum and maximum labelled coordinate. `points_eyes` is the left minus the right eye centre's x, and
    `points_eye_distance` their distance, both in pixels; NaN where unlabelled.
    """
    texts = raw[list(COORDINATES)]
    values = texts.apply(numbers)
    filled = texts.apply(lambda column: column.str.strip() != "")
    labelled, cells = (each.to_numpy(bool).reshape(-1, len(COORDINATES) // 2, 2) for each in (values.notna(), filled))
    eyes = values[["left_eye_center_x", "left_eye_center_y"]].to_numpy() - (
        values[["right_eye_center_x", "right_eye_center_y"]].to_numpy()
    )
    checks = pd.DataFrame(
        {
            "row": raw["row"],
            "points_numeric": ~(values.isna() & filled).any(axis=1),
            "points_paired": (cells[:, :, 0] == cells[:, :, 1]).all(axis=1),
            "points_labelled": labelled.any(axis=2).sum(axis=1).astype(float),
            "points_least": values.min(axis=1),
            "points_greatest": values.max(axis=1),
            "points_eyes": eyes[:, 0],
            "points_eye_distance": np.hypot(eyes[:, 0], eyes[:, 1]),
        }
    )
    return checks.join(values).join(_pixel_columns(raw["Image"]))
