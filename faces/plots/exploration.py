"""Figures of the raw data for exploration: sample faces, keypoints, missing labels and class balance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from faces.common.schema import KEYPOINTS
from faces.data.eda import imbalance_sentence
from faces.data.label_offset import Symmetry, describe_label_offset
from faces.plots.face_grid import POINT_COLOURS, faces_figure

FEW_GREYS = colormaps["gray"].resampled(48)
POINT_NAMES = [name.replace("_", " ") for name in KEYPOINTS]


def face_grid_figure(images: np.ndarray, captions: Sequence[str], title: str, points: np.ndarray | None) -> Figure:
    """A grid of captioned images (N, H, W) with their points (N, 15, 2) in their pixels, NaN = not drawn."""
    figure = faces_figure(images, captions, title, points)
    for axis in figure.axes:
        for image in axis.images:
            # Nearest-neighbour pixels in few greys look the same at this size and halve the file.
            image.set(interpolation="nearest", cmap=FEW_GREYS)
        for dots in axis.collections:
            dots.set(sizes=[8], edgecolors="black", linewidths=0.3)
    return figure


def emotions_figure(images: np.ndarray, captions: Sequence[str]) -> Figure:
    """One image of each emotion (classes, H, W), in one row, larger than in a grid."""
    figure = faces_figure(images, captions, "One face of each emotion", columns=len(images))
    figure.set_size_inches(1.9 * len(images), 2.6)
    for axis in figure.axes:
        axis.title.set_fontsize(11)
    return figure


def named_points_figure(image: np.ndarray, points: np.ndarray, title: str) -> Figure:
    """One image (H, W) with numbered points (15, 2) in its pixels, and a list of their names; NaN = unlabelled."""
    figure = Figure(figsize=(9.4, 5.5), layout="compressed")
    face, names = figure.subplots(1, 2, width_ratios=(1, 0.75))
    face.imshow(image, cmap="gray", vmin=0, vmax=255)
    face.set(title=title, xlabel="x in pixels", ylabel="y in pixels")
    face.scatter(*points.T, s=34, c=POINT_COLOURS, edgecolors="black", linewidths=0.8)
    names.scatter(np.full(15, 0.02), range(15), s=50, c=POINT_COLOURS, edgecolors="black", linewidths=0.8)
    names.set(title="left is the subject's left", xlim=(0, 1), ylim=(14.6, -0.6))
    names.axis("off")
    outlined = {"color": "white", "weight": "bold", "path_effects": [withStroke(linewidth=2.5, foreground="black")]}
    for number, point in enumerate(points):
        labelled = bool(np.isfinite(point).all())
        names.text(0.12, number, str(number + 1), ha="right", va="center", weight="bold")
        names.text(0.15, number, POINT_NAMES[number], va="center")
        names.text(
            1, number, f"{point[0]:.1f}, {point[1]:.1f}" if labelled else "not labelled", ha="right", va="center"
        )
        if labelled:
            # Lips may touch, and the lower one may touch the edge: its number is beside it.
            offset = (11, -4) if "bottom" in KEYPOINTS[number] else (0, 7)
            face.annotate(str(number + 1), point, offset, textcoords="offset points", ha="center", **outlined)
    return figure


def heat_map_figure(images: np.ndarray, points: np.ndarray) -> Figure:
    """The mean image of (N, H, W) with the mean points, and a heat map of all points (N, 15, 2), NaN = unlabelled."""
    # pandas ignores NaN, and does not warn where all are NaN.
    mean_points = pd.DataFrame(points.reshape(len(points), -1)).mean().to_numpy().reshape(-1, 2)
    figure = Figure(figsize=(10.6, 4.9), layout="compressed")
    mean, heat, bar = figure.subplots(1, 3, width_ratios=(1, 1, 0.05))
    mean_image = images.mean(axis=0)
    # The right image is paler, so that the heat map is more visible than the face.
    for axis, pale in ((mean, 0), (heat, 2)):
        axis.imshow(mean_image, cmap="gray", vmin=mean_image.min() - pale * np.ptp(mean_image))
        axis.set(xlabel="x in pixels", ylabel="y in pixels")
    mean.set_title(f"Mean keypoints on the mean of {len(images)} faces")
    heat.set_title(f"Distribution of {np.isfinite(points).all(axis=2).sum()} keypoints")
    mean.scatter(*mean_points.T, s=34, c=POINT_COLOURS, edgecolors="black", linewidths=0.8)
    x, y = points.reshape(-1, 2).T
    cells = {"binwidth": 1, "binrange": (-0.5, images.shape[2] - 0.5), "cmap": "rocket_r"}
    scale = {"ticks": MaxNLocator(integer=True), "label": "keypoints per pixel"}
    sns.histplot(x=x, y=y, **cells, cbar=True, cbar_ax=bar, cbar_kws=scale, ax=heat)
    return figure


def symmetry_figure(result: Symmetry) -> Figure:
    """The mean of the frontal faces, with the axis of its points and its symmetry axis."""
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axis = figure.subplots()
    axis.imshow(result.mean, cmap="gray")
    middle = (result.mean.shape[1] - 1) / 2
    axis.axvline(middle, color="#e69f00", label="axis of the keypoints")
    if np.isfinite(result.offset):
        axis.axvline(middle - result.offset, color="#56b4e9", linestyle="--", label="symmetry axis of the face")
    axis.set(title=describe_label_offset(result), xlabel="x in pixels", ylabel="y in pixels")
    axis.title.set_fontsize(10)
    axis.legend(loc="lower right")
    return figure


def missing_figure(points: np.ndarray) -> Figure:
    """The fraction of images without a label for each of the points (N, 15, 2), NaN = unlabelled."""
    missing = ~np.isfinite(points).all(axis=2)
    fractions, complete = missing.mean(axis=0), int((~missing.any(axis=1)).sum())
    labels = [f"{fraction:.1%} ({count})" for fraction, count in zip(fractions, missing.sum(axis=0), strict=True)]
    figure = Figure(figsize=(7.6, 4.9), layout="constrained")
    axis = _bars(figure, fractions, POINT_NAMES, labels, "fraction of faces without the keypoint (and their number)")
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xticks([tick for tick in axis.get_xticks() if tick <= 1])
    axis.set_title(
        f"{complete} of {len(points)} faces ({complete / len(points):.1%}) have all 15 keypoints", loc="left"
    )
    return figure


def balance_figure(counts: pd.Series) -> Figure:
    """The number of images of each class, largest first, with percentages, and the imbalance in words."""
    ordered = counts.sort_values(ascending=False, kind="stable")
    figure = Figure(figsize=(7.6, 2.0 + 0.42 * len(counts)), layout="constrained")
    labels = [f"{count} ({count / counts.sum():.1%})" for count in ordered]
    axis = _bars(figure, ordered.to_numpy(), ordered.index.tolist(), labels, "number of faces (and percentage)")
    axis.set_title(imbalance_sentence(counts), loc="left", fontsize=11)
    return figure


def _bars(figure: Figure, lengths: np.ndarray, names: Sequence[str], labels: Sequence[str], of: str) -> Axes:
    axis = figure.subplots()
    sns.barplot(x=lengths, y=list(names), orient="h", color="#0072b2", saturation=1, ax=axis)
    for bar, label in enumerate(labels):
        axis.annotate(label, (lengths[bar], bar), (4, 0), textcoords="offset points", va="center")
    axis.set(xlim=(0, 1.2 * max(lengths.max(), 0.01)), xlabel=of)
    sns.despine(ax=axis)
    return axis
