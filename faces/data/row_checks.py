"""What the rules look at: a few numbers derived from each raw row, in place of its kilobytes of pixel text."""

import numpy as np
import pandas as pd

from faces.common.pixel_text import pixel_facts
from faces.common.schema import COORDINATES, LABEL_SETS, class_name


def _pixel_columns(texts: pd.Series) -> pd.DataFrame:
    return pixel_facts(texts.tolist()).set_index(texts.index).add_prefix("pixels_")


def numbers(texts: pd.Series) -> pd.Series:
    """Text cells as float64; NaN where empty or not a finite number."""
    return pd.to_numeric(texts.str.strip(), errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def emotion_facts(raw: pd.DataFrame, label_set: str) -> pd.DataFrame:
    """Columns `row`, `label`, `label_foreign`, `is_CLASS`, `usage` and `pixels_*` of text columns as `read_raw` gives.

    `label` is a class name of `label_set` or None; `label_foreign` tells that the text is a label of another set;
    `is_CLASS` is 1.0 or 0.0, so that its mean is the share of the class; `usage` is None where there is no such column.
    """
    ours = LABEL_SETS[label_set]
    meant = [class_name(text, label_set) for text in raw["emotion"]]
    label = pd.Series([name if name in ours else None for name in meant], index=raw.index, dtype=object)
    elsewhere = np.array([any(class_name(text, other) for other in LABEL_SETS) for text in raw["emotion"]])
    facts = pd.DataFrame({"row": raw["row"], "label": label, "label_foreign": label.isna() & elsewhere})
    for name in ours:
        facts[f"is_{name}"] = (label == name).astype(float)
    facts["usage"] = raw["Usage"].str.strip() if "Usage" in raw else None
    return facts.join(_pixel_columns(raw["pixels"]))


def keypoint_facts(raw: pd.DataFrame) -> pd.DataFrame:
    """Columns `row`, the 30 coordinates as numbers (NaN = unlabelled), `points_*` and `pixels_*`.

    `points_numeric` is False where a cell holds text that is no number; `points_paired` is False where one cell of a
    point's two is empty; `points_least` and `points_greatest` are over the labelled coordinates; `points_eyes` is left
    minus right eye centre's x, and `points_eye_distance` their distance; NaN where unlabelled.
    """
    texts = raw[list(COORDINATES)]
    values = texts.apply(numbers)
    filled = texts.apply(lambda column: column.str.strip() != "")
    labelled, cells = (each.to_numpy(bool).reshape(-1, len(COORDINATES) // 2, 2) for each in (values.notna(), filled))
    eyes = values[["left_eye_center_x", "left_eye_center_y"]].to_numpy() - (
        values[["right_eye_center_x", "right_eye_center_y"]].to_numpy()
    )
    facts = pd.DataFrame(
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
    return facts.join(values).join(_pixel_columns(raw["Image"]))
