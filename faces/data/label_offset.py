"""Estimate a horizontal offset common to all keypoint labels, from the mirror symmetry of the mean face."""

from typing import NamedTuple

import cv2
import numpy as np

from faces.common.schema import KEYPOINTS, LEFT_EYE, MIRROR_ORDER, RIGHT_EYE

FRONTAL = 0.1
"""Maximum distance in x of the nose tip from the middle of the eyes, as a fraction of the interocular distance."""

MIN_FRONTAL_FACES = 30
"""Minimum number of frontal faces for an estimate: light and hair are not symmetric in a single face."""

SIDE = [k for k, other in enumerate(MIRROR_ORDER) if k < other]
"""Index of one keypoint of each left-right pair."""


class Symmetry(NamedTuple):
    """`offset` is the x of the points' axis minus that of the faces' symmetry axis, in pixels.

    It is NaN for fewer than `MIN_FRONTAL_FACES` faces. `mean` (H, W) float32 is the mean of `num_faces` nearly frontal
    faces, each shifted so that the points' axis is the middle of the image.
    """

    offset: float
    mean: np.ndarray
    num_faces: int


def symmetry(images: np.ndarray, points: np.ndarray) -> Symmetry:
    """Symmetry of images (N, H, W) uint8 and their points (N, 15, 2) in pixels; NaN where unlabelled.

    Mirrored training faces have the opposite offset, so an offset of 1.4 px costs a model an error of about 1.4 px.
    """
    height, width = images.shape[1:]
    axes = (points[:, SIDE, 0] + points[:, MIRROR_ORDER[SIDE], 0]) / 2
    eyes = points[:, [LEFT_EYE, RIGHT_EYE]]
    nose_distance = np.abs(points[:, KEYPOINTS.index("nose_tip"), 0] - eyes[:, :, 0].mean(axis=1))
    frontal = nose_distance < FRONTAL * np.abs(eyes[:, 0, 0] - eyes[:, 1, 0])
    total = np.zeros((height, width), np.float32)
    for image, axis, eye_y in zip(images[frontal], axes[frontal], eyes[frontal][:, :, 1].mean(axis=1), strict=True):
        total += _translated(image.astype(np.float32), (width - 1) / 2 - np.nanmean(axis), 0.42 * height - eye_y)
    num_faces = int(frontal.sum())
    mean = total / max(num_faces, 1)
    return Symmetry(_offset(mean) if num_faces >= MIN_FRONTAL_FACES else float("nan"), mean, num_faces)


def _offset(mean: np.ndarray) -> float:
    """Half the shift at which the mirrored mean correlates best with the mean, to 0.05 px."""
    height, width = mean.shape
    # A high-pass filter removes lighting, which comes from one side more often; facial features are finer.
    features = mean - cv2.GaussianBlur(mean, (0, 0), width / 16)
    window = np.s_[height // 4 : height * 5 // 6, width // 4 : width * 3 // 4]
    shifts = np.arange(-width / 12, width / 12 + 0.05, 0.1)
    mirrored = np.ascontiguousarray(features[:, ::-1])
    correlations = [
        np.corrcoef(features[window].ravel(), _translated(mirrored, shift, 0)[window].ravel())[0, 1] for shift in shifts
    ]
    return float(-shifts[np.argmax(correlations)] / 2)


def _translated(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    transform = np.array([[1, 0, dx], [0, 1, dy]])
    translated: np.ndarray = cv2.warpAffine(image, transform, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return translated


def describe_label_offset(result: Symmetry) -> str:
    """The label offset in one sentence."""
    if np.isnan(result.offset):
        return f"{result.num_faces} nearly frontal faces: too few to estimate a label offset"
    side = "right" if result.offset > 0 else "left"
    offset, num_faces = abs(result.offset), result.num_faces
    return f"keypoints lie {offset:.1f} px {side} of the symmetry axis ({num_faces} nearly frontal faces)"
