"""A photograph with the detected faces."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from faces.plots.face_grid import POINT_COLOUR, POINT_COLOURS

WIDTH = 9.0
"""Inches."""


def photograph_figure(photograph: np.ndarray, boxes: np.ndarray, points: np.ndarray, captions: Sequence[str]) -> Figure:
    """A grey photograph (H, W) with boxes (n, 3) of x, y, size, points (n, 15, 2) in its pixels, and captions."""
    height, width = photograph.shape
    figure = Figure(figsize=(WIDTH, WIDTH * height / width))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(photograph, cmap="gray", vmin=0, vmax=255)
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axis.axis("off")
    for (x, y, size), face_points, caption in zip(boxes, points, captions, strict=True):
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), size, size, fill=False, edgecolor=POINT_COLOUR, linewidth=1))
        axis.scatter(face_points[:, 0], face_points[:, 1], s=max(size / width * 120, 1), c=POINT_COLOURS, linewidths=0)
        style = {"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0}
        axis.text(x, max(y, 0), caption, color="white", fontsize=8, va="bottom", bbox=style, clip_on=True)
    return figure
