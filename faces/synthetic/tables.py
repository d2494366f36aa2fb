"""The embedded data set: two tables of synthetic faces and planted defects, in the published layouts."""

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES
from faces.synthetic.defects import (
    DEFAULT_ROWS,
    DEFECTS,
    LOUDEST,
    damage_labels,
    damage_pixels,
    damage_points,
    defect_rows,
    planted,
)
from faces.synthetic.faces import Mapper, draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING

__all__ = ["DEFAULT_ROWS", "DEFECTS", "emotion_table", "keypoints_table", "planted"]

KEYPOINTS_SIZE, EMOTION_SIZE = 96, 48
WORDS = [str(value) for value in range(LOUDEST + 1)]
KEYPOINTS_MIX = (0.2, 0.2, 0.2, 0.2, 0.2)
EMOTION_MIX = (0.20, 0.08, 0.24, 0.32, 0.16)
"""Fraction of each emotion code, as imbalanced as in the original."""


def keypoints_table(seed: int, rows: int, mapper: Mapper = map) -> pd.DataFrame:
    """Kaggle's layout: 30 coordinates in pixels (NaN where unlabelled) and "Image", 96 x 96 grey levels as text.

    `mapper` is that of `draw_faces`.
    """
    labels, faces, defects = _generators(seed, "keypoints")
    images, points = draw_faces(
        faces, _emotions(labels, rows, KEYPOINTS_MIX), KEYPOINTS_SIZE, KEYPOINTS_FRAMING, mapper
    )
    pixels, where = list(images.reshape(rows, -1)), defect_rows(defects, rows, "keypoints")
    damage_pixels(pixels, where, defects)
    damage_points(points, where, defects)
    # Rounded as float64: float32 values do not print with four decimals.
    table = pd.DataFrame(points.reshape(rows, -1).astype(float).round(4), columns=list(COORDINATES))
    return table.assign(Image=_texts(pixels))


def emotion_table(seed: int, rows: int, mapper: Mapper = map) -> pd.DataFrame:
    """Columns "emotion", a code of LABEL_ENCODINGS["course"], and "pixels", 48 x 48 grey levels as text.

    `mapper` is that of `draw_faces`.
    """
    labels, faces, defects = _generators(seed, "emotion")
    emotions = _emotions(labels, rows, EMOTION_MIX)
    images, _ = draw_faces(faces, emotions, EMOTION_SIZE, EMOTION_FRAMING, mapper)
    pixels, where = list(images.reshape(rows, -1)), defect_rows(defects, rows, "emotion")
    damage_pixels(pixels, where, defects)
    damage_labels(emotions, where)
    return pd.DataFrame({"emotion": emotions, "pixels": _texts(pixels)})


def _generators(seed: int, model_name: str) -> list[np.random.Generator]:
    """Separate streams for labels, faces and defects; the two tables of one seed share no face."""
    streams = np.random.SeedSequence([seed, list(DEFECTS).index(model_name)]).spawn(3)
    return [np.random.default_rng(stream) for stream in streams]


def _emotions(generator: np.random.Generator, rows: int, mix: tuple[float, ...]) -> np.ndarray:
    """Emotion codes (rows,) int64; one draw per row, so that a longer table begins the same way."""
    return np.minimum(np.searchsorted(np.cumsum(mix), generator.random(rows), side="right"), len(mix) - 1)


def _texts(pixels: list[np.ndarray]) -> list[str]:
    return [" ".join(map(WORDS.__getitem__, row.tolist())) for row in pixels]
