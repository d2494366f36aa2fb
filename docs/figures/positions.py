"""From a heatmap to a position: argmax, or soft-argmax at several temperatures."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.look import INK, PLAIN, RESIDUAL, blank, keypoint_faces
from faces.common.schema import KEYPOINTS

CELLS, STRIDE, FACES = 12, 8, 200
CENTRES = (np.arange(CELLS) + 0.5) * STRIDE - 0.5
"""Centres of the cells along one axis, in pixels of the 96x96 image."""
SHOWN = KEYPOINTS.index("left_eye_inner_corner")


def score_maps(points: np.ndarray) -> np.ndarray:
    """Return scores of ideal heatmaps, (N, 15, 12, 12): minus half the squared distance from the point, in cells."""
    x = (CENTRES - points[..., 0, None]) / STRIDE
    y = (CENTRES - points[..., 1, None]) / STRIDE
    return -0.5 * (x[..., None, :] ** 2 + y[..., :, None] ** 2)


def softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return weights of the same shape that sum to 1 over each map."""
    weights = np.exp((scores - scores.max(axis=(-1, -2), keepdims=True)) / temperature)
    return weights / weights.sum(axis=(-1, -2), keepdims=True)


def mean_positions(weights: np.ndarray) -> np.ndarray:
    """Return the soft-argmax, (..., 2), x then y, in pixels."""
    return np.stack([weights.sum(axis=-2) @ CENTRES, weights.sum(axis=-1) @ CENTRES], axis=-1)


def largest_cells(scores: np.ndarray) -> np.ndarray:
    """Return the argmax: the centre of the largest cell, (..., 2), x then y, in pixels."""
    best = scores.reshape(*scores.shape[:-2], -1).argmax(axis=-1)
    return np.stack([CENTRES[best % CELLS], CENTRES[best // CELLS]], axis=-1)


def error(predicted: np.ndarray, points: np.ndarray) -> float:
    """Return the mean distance in pixels."""
    return float(np.linalg.norm(predicted - points, axis=-1).mean())


def positions_figure(faces: int = FACES) -> tuple[Figure, str]:
    """Draw the heatmap of one face with argmax and soft-argmax, and both errors over all faces and points."""
    images, points = keypoint_faces(faces)
    scores = score_maps(points)
    by_cell = error(largest_cells(scores), points)
    temperatures = np.geomspace(0.01, 30, 60)
    by_mean = np.array([error(mean_positions(softmax(scores, one)), points) for one in temperatures])
    figure, axes = blank(11, 3.7, 3, width_ratios=[1, 1, 1.25])
    face = int(np.linalg.norm(largest_cells(scores) - points, axis=-1)[:, SHOWN].argmax())
    for axis in axes[:2]:
        _draw_face(axis, images[face], softmax(scores[face, SHOWN], 1.0), points[face, SHOWN])
    axes[0].set_title("a face and one keypoint's heatmap", fontsize=10, color=INK)
    x, y = points[face, SHOWN]
    axes[1].set(xlim=(x - 17, x + 17), ylim=(y + 17, y - 17))
    axes[1].set_title("close-up", fontsize=10, color=INK)
    axes[1].legend(loc="upper left", fontsize=7.5, framealpha=0.9)
    axes[2].axhline(by_cell, color=PLAIN, label=f"argmax: {by_cell:.2f} px")
    axes[2].loglog(temperatures, by_mean, color=RESIDUAL, label="soft-argmax")
    axes[2].set(xlabel="softmax temperature", ylabel="mean distance from the true point, px")
    axes[2].legend(frameon=False, fontsize=8)
    at_one = error(mean_positions(softmax(scores, 1.0)), points)
    best = f"minimum {by_mean.min():.4f} at temperature {temperatures[by_mean.argmin()]:.2f}"
    ends = f"{by_mean[0]:.2f} at {temperatures[0]:.2f}, {by_mean[-1]:.2f} at {temperatures[-1]:.0f}"
    return figure, f"argmax {by_cell:.2f} px; soft-argmax {at_one:.3f} px at temperature 1, {best}; {ends}"


def _draw_face(axis, image: np.ndarray, weights: np.ndarray, point: np.ndarray) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    edges = np.arange(CELLS + 1) * STRIDE - 0.5
    shown = np.ma.masked_less(weights, weights.max() / 200)
    axis.pcolormesh(edges, edges, shown, cmap="viridis", alpha=0.55, edgecolors="white", linewidth=0.3)
    axis.plot(*point, "o", markersize=11, markerfacecolor="none", markeredgecolor="white", label="true point")
    axis.plot(*largest_cells(weights), "s", color=PLAIN, markersize=6, label="argmax")
    axis.plot(*mean_positions(weights), "+", color="#00ffd5", markersize=9, markeredgewidth=2, label="soft-argmax")
    axis.axis("off")
