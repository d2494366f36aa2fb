"""A photograph with what was found in it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from faces.plots.face_grid import POINT_COLOUR, POINT_COLOURS

WIDTH = 9.0
"""Inches."""


def photograph_figure(
    photograph: np.ndarray, squares: np.ndarray, points: np.ndarray, captions: Sequence[str]
) -> Figure:
    """A grey photograph (H, W) with squares (n, 3), points (n, 15, 2) in its pixels, and a caption over each square."""
    height, width = photograph.shape
    figure = Figure(figsize=(WIDTH, WIDTH * height / width))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(photograph, cmap="gray", vmin=0, vmax=255)
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axis.axis("off")
    for (left, top, side), face, caption in zip(squares, points, captions, strict=True):
        axis.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=POINT_COLOUR, linewidth=1))
        axis.scatter(face[:, 0], face[:, 1], s=max(side / width * 120, 1), c=POINT_COLOURS, linewidths=0)
        style = {"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0}
        axis.text(left, max(top, 0), caption, color="white", fontsize=8, va="bottom", bbox=style, clip_on=True)
    return figure
