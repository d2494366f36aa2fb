"""Detects faces in images with OpenCV's cascade or with YuNet; boxes are framed as the models' training crops.

YuNet (Wu et al. 2023, YuNet: A Tiny Millisecond-level Face Detector) is a neural network; its file does not come with
OpenCV.
"""

import cv2
import numpy as np
from cv2.data import haarcascades

from faces.scoring.face_framing import framed, largest_first, spread, straightened

CASCADE = "haarcascade_frontalface_alt2.xml"
SCALE, NEIGHBOURS = 1.1, 4
MARGIN = 1.04
"""Side of both datasets' crops over that of the cascade's box: medians 1.043 and 1.038 on real faces, same centre."""
YUNET_POINTS = np.array([[29.1, 38.5], [63.5, 38.0], [47.4, 58.7], [33.0, 76.5], [60.9, 76.1]])
"""Positions of YuNet's points (right and left eye, nose tip, right and left corner of the mouth) in 96x96 crops.

Means of the keypoints of 2,589 real faces. Boxes placed by such points have 0.88 to 1.17 times the crop's side in 95%
of them.
"""


def detect_faces(image: np.ndarray, max_side: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and detection scores of the faces of a grey image (H, W) uint8, largest first.

    Boxes are (n, 4), see `faces.scoring.face_framing`, upright, and may extend beyond the image. Scores (n,) are the
    weights of the cascade's last stage, see OpenCV's `detectMultiScale3`. An image with a side over `max_side` is
    searched at that size.
    """
    shrunk, factor = shrink(image, max_side)
    cascade = cv2.CascadeClassifier(haarcascades + CASCADE)
    found, _, weights = cascade.detectMultiScale3(shrunk, SCALE, NEIGHBOURS, outputRejectLevels=True)
    boxes = np.array(found, float).reshape(-1, 4) * factor
    side = boxes[:, 2] * MARGIN
    corner = boxes[:, :2] + (boxes[:, 2:] - side[:, None]) / 2
    return largest_first(np.column_stack([corner, side, np.zeros(len(side))]), np.array(weights, float).reshape(-1))


def detect_faces_yunet(
    image: np.ndarray, max_side: int, model: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `detect_faces`, with YuNet; `model` is its ONNX file as bytes (n,) uint8, scores are in threshold..1.

    A box is placed so that the five points of its face are where they are in the models' crops, and turned with them.
    Raises cv2.error for the bytes of another model.
    """
    shrunk, factor = shrink(image, max_side)
    detector = cv2.FaceDetectorYN.create("onnx", model, np.empty(0, np.uint8), shrunk.shape[::-1], threshold)
    _, found = detector.detect(cv2.cvtColor(shrunk, cv2.COLOR_GRAY2BGR))
    rows = np.empty((0, 15)) if found is None else found.astype(float)
    points = (rows[:, 4:14].reshape(-1, 5, 2) + 0.5) * factor - 0.5
    sides = 96 * spread(points) / spread(YUNET_POINTS)
    return largest_first(straightened(framed(points, sides, YUNET_POINTS)), rows[:, 14])


def shrink(image: np.ndarray, max_side: int) -> tuple[np.ndarray, float]:
    """The image with no side over `max_side`, and the factor by which the given image is larger."""
    scale = max_side / max(image.shape)
    if scale >= 1:
        return image, 1.0
    shrunk = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return shrunk, max(image.shape) / max(shrunk.shape)
