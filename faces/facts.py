"""What the rules look at: a few numbers derived from each raw row, in place of its kilobytes of pixel text."""

import numpy as np
import pandas as pd

from faces.labels import COORDINATES
from faces.pixels import parse_pixels, pixel_facts


def _pixel_columns(texts: pd.Series) -> pd.DataFrame:
    facts = pd.DataFrame([pixel_facts(parse_pixels(text)) for text in texts], index=texts.index)
    return facts.add_prefix("pixels_")


def numbers(texts: pd.Series) -> pd.Series:
    """Text cells as float64; NaN where empty or not a finite number."""
    return pd.to_numeric(texts.str.strip(), errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def emotion_facts(raw: pd.DataFrame) -> pd.DataFrame:
    """Columns `row`, `label` (NaN where not a number) and `pixels_*`, from text columns `row`, `emotion`, `pixels`."""
    facts = pd.DataFrame({"row": raw["row"], "label": numbers(raw["emotion"])})
    return facts.join(_pixel_columns(raw["pixels"]))


def keypoint_facts(raw: pd.DataFrame) -> pd.DataFrame:
    """Columns `row`, `points_*` and `pixels_*`, from text columns `row`, the 30 coordinates and `Image`.

    `points_numeric` is False where a cell holds text that is no number; `points_least` and `points_greatest` are over
    the labelled coordinates, `points_eyes` is left minus right eye centre's x; NaN where unlabelled.
    """
    texts = raw[list(COORDINATES)]
    values = texts.apply(numbers)
    unreadable = (values.isna() & (texts.apply(lambda column: column.str.strip()) != "")).any(axis=1)
    facts = pd.DataFrame(
        {
            "row": raw["row"],
            "points_numeric": ~unreadable,
            "points_labelled": values.notna().sum(axis=1).astype(float),
            "points_least": values.min(axis=1),
            "points_greatest": values.max(axis=1),
            "points_eyes": values["left_eye_center_x"] - values["right_eye_center_x"],
        }
    )
    return facts.join(_pixel_columns(raw["Image"]))


FACTS = {"keypoints": keypoint_facts, "emotion": emotion_facts}
