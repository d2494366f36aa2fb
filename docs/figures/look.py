"""Common style of the figures, and the sample faces for their measurements."""

import numpy as np
from matplotlib.figure import Figure

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING

PLAIN, RESIDUAL, SHALLOW, INK, PALE = "#d1495b", "#00798c", "#edae49", "#2b2d42", "#eef1f4"


def blank(width: float, height: float, columns: int = 1, **options) -> tuple[Figure, list]:
    """Return a figure, width and height in inches, and its axes from left to right, without top and right spines."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, columns, **options)).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure, list(axes)


def emotion_faces(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images (N, 48, 48) uint8 and their emotion codes (N,), five classes in turn; seed 1."""
    emotions = np.arange(count) % 5
    return draw_faces(np.random.default_rng(1), emotions, 48, EMOTION_FRAMING)[0], emotions


def keypoint_faces(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images (N, 96, 96) uint8 and their keypoints (N, 15, 2) in pixels; seed 1."""
    return draw_faces(np.random.default_rng(1), np.arange(count) % 5, 96, KEYPOINTS_FRAMING)
