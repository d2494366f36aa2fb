"""Grids of face images. Every function returns a matplotlib Figure; the caller saves it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faces.common.schema import KEYPOINTS

POINT_COLOUR = "#00c2a8"
SIDE_COLOURS = {"left": "#00c2a8", "right": "#ffb300"}
"""Colours of the subject's left and right points: they show whether a flip swapped the points."""
POINT_COLOURS = [SIDE_COLOURS.get(name.removeprefix("mouth_").split("_")[0], "#f06292") for name in KEYPOINTS]
TRUTH_COLOUR = "#ff7043"
TITLE_INCHES = 4.5
"""Wide enough for a title of sixty letters."""


def _grid(count: int, columns: int, title: str) -> tuple[Figure, list[Axes]]:
    rows = -(-count // columns)
    figure = Figure(figsize=(max(1.5 * columns, TITLE_INCHES), 1.72 * rows + 0.45), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis("off")
    return figure, list(axes[:count])


def faces_figure(
    images: np.ndarray,
    captions: Sequence[str],
    title: str,
    points: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    colours: Sequence[str] | None = None,
    columns: int = 8,
) -> Figure:
    """A grid of images (N, H, W) with points, filled, and true points, ringed, (N, 15, 2) each, NaN = not drawn."""
    figure, axes = _grid(len(images), min(columns, len(images)), title)
    for face, axis in enumerate(axes):
        axis.imshow(images[face], cmap="gray", vmin=0, vmax=255)
        if truth is not None:
            x, y = truth[face].T
            axis.scatter(x, y, s=16, facecolors="none", edgecolors=TRUTH_COLOUR, linewidths=0.8)
        if points is not None:
            x, y = points[face].T
            axis.scatter(x, y, s=3, c=POINT_COLOURS)
        axis.set_title(captions[face], fontsize=7, pad=2, color=colours[face] if colours else "black")
    return figure
