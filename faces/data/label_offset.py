"""Whether key points lie where the faces' own symmetry says: labels of a table may all be off by the same way."""

from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure

from faces.common.schema import KEYPOINTS, LEFT_EYE, MIRROR_ORDER, RIGHT_EYE

FRONTAL = 0.1
"""Of the distance between the eyes: how far the tip of the nose may lie from their middle."""

FEWEST = 30
"""Frontal faces below which nothing is said: light and hair are not symmetric in one face."""

SIDE = [k for k, other in enumerate(MIRROR_ORDER) if k < other]
"""One of each pair of points that a mirror exchanges."""


class Symmetry(NamedTuple):
    """`offset` is how far right of the faces' axis the points' axis lies, in pixels; NaN for fewer than `FEWEST` faces.

    `mean` (H, W) float32 is the mean of `faces` nearly frontal ones, shifted so that the points' axis is its middle.
    """

    offset: float
    mean: np.ndarray
    faces: int


def symmetry(images: np.ndarray, points: np.ndarray) -> Symmetry:
    """Of faces (N, H, W) uint8 and their points (N, 15, 2) in pixels, NaN = unlabelled.

    Mirrored training faces teach the opposite offset, so one of 1.4 px costs a network about as much.
    """
    height, width = images.shape[1:]
    middles = (points[:, SIDE, 0] + points[:, MIRROR_ORDER[SIDE], 0]) / 2
    eyes = points[:, [LEFT_EYE, RIGHT_EYE]]
    turned = np.abs(points[:, KEYPOINTS.index("nose_tip"), 0] - eyes[:, :, 0].mean(axis=1))
    frontal = turned < FRONTAL * np.abs(eyes[:, 0, 0] - eyes[:, 1, 0])
    total = np.zeros((height, width), np.float32)
    for face, middle, level in zip(images[frontal], middles[frontal], eyes[frontal][:, :, 1].mean(axis=1), strict=True):
        total += _moved(face.astype(np.float32), (width - 1) / 2 - np.nanmean(middle), 0.42 * height - level)
    count = int(frontal.sum())
    mean = total / max(count, 1)
    return Symmetry(_offset(mean) if count >= FEWEST else float("nan"), mean, count)


def _offset(mean: np.ndarray) -> float:
    """Half the shift at which the mirrored mean is most like the mean itself, to a twentieth of a pixel."""
    height, width = mean.shape
    # Light falls from one side more often than from the other; features are finer than that.
    features = mean - cv2.GaussianBlur(mean, (0, 0), width / 16)
    window = np.s_[height // 4 : height * 5 // 6, width // 4 : width * 3 // 4]
    shifts = np.arange(-width / 12, width / 12 + 0.05, 0.1)
    mirrored = np.ascontiguousarray(features[:, ::-1])
    alike = [np.corrcoef(features[window].ravel(), _moved(mirrored, s, 0)[window].ravel())[0, 1] for s in shifts]
    return float(-shifts[np.argmax(alike)] / 2)


def _moved(image: np.ndarray, right: float, down: float) -> np.ndarray:
    move = np.array([[1, 0, right], [0, 1, down]])
    return cv2.warpAffine(image, move, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def symmetry_figure(found: Symmetry) -> Figure:
    """The mean of the frontal faces, with the axis of its points and its own."""
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axis = figure.subplots()
    axis.imshow(found.mean, cmap="gray")
    middle = (found.mean.shape[1] - 1) / 2
    axis.axvline(middle, color="#e69f00", label="middle of the points")
    if np.isfinite(found.offset):
        axis.axvline(middle - found.offset, color="#56b4e9", linestyle="--", label="middle of the face")
    axis.set(title=symmetry_sentence(found), xlabel="x in pixels", ylabel="y in pixels")
    axis.title.set_fontsize(10)
    axis.legend(loc="lower right")
    return figure


def symmetry_sentence(found: Symmetry) -> str:
    """What was found, in words."""
    if np.isnan(found.offset):
        return f"{found.faces} nearly frontal faces: too few to find their middle"
    side = "right" if found.offset > 0 else "left"
    return f"points lie {abs(found.offset):.1f} px {side} of the faces' own middle ({found.faces} nearly frontal faces)"
