"""Finds faces in photographs, with a cascade that OpenCV carries or by YuNet, and cuts them out as the networks know.

YuNet (Wu et al. 2023, YuNet: A Tiny Millisecond-level Face Detector) is a network, in a file that does not come with
OpenCV.
"""

import cv2
import numpy as np
from cv2.data import haarcascades

CASCADE = "haarcascade_frontalface_alt2.xml"
SCALE, NEIGHBOURS = 1.1, 4
MARGIN = 1.04
"""Side of both data sets' crops over the cascade's box: medians 1.043 and 1.038 on real faces, same middle."""
FIVE = np.array([[29.1, 38.5], [63.5, 38.0], [47.4, 58.7], [33.0, 76.5], [60.9, 76.1]])
"""Where YuNet's points (right and left eye, nose tip, right and left corner of the mouth) lie in 96x96 crops.

Means of 2,589 real faces' key points. Squares placed by such points are 0.88 to 1.17 times their side, in 95 of 100.
"""


def found_faces(photograph: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares around the faces of a grey photograph (H, W) uint8, largest first, and how sure the cascade is of each.

    Squares are (n, 3) left, top, side in pixels, left and top of the outermost pixel's middle; they may reach beyond
    the photograph. Scores (n,) are the last stage's weights, see OpenCV's `detectMultiScale3`. A photograph of which a
    side is over `longest` is looked through at that size.
    """
    looked, factor = _looked_through(photograph, longest)
    cascade = cv2.CascadeClassifier(haarcascades + CASCADE)
    found, _, weights = cascade.detectMultiScale3(looked, SCALE, NEIGHBOURS, outputRejectLevels=True)
    boxes = np.array(found, float).reshape(-1, 4) * factor
    side = boxes[:, 2] * MARGIN
    corner = boxes[:, :2] + (boxes[:, 2:] - side[:, None]) / 2
    return _largest_first(np.column_stack([corner, side]), np.array(weights, float).reshape(-1))


def found_by_yunet(photograph: np.ndarray, longest: int, network: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `found_faces`, by YuNet, of which `network` is the ONNX file's bytes (n,) uint8; scores are its own, 0 to 1.

    A square is where its face's five points lie as they do in the networks' crops. Raises cv2.error for bytes of
    another network.
    """
    looked, factor = _looked_through(photograph, longest)
    detector = cv2.FaceDetectorYN.create("onnx", network, np.empty(0, np.uint8), looked.shape[::-1])
    _, found = detector.detect(cv2.cvtColor(looked, cv2.COLOR_GRAY2BGR))
    rows = np.empty((0, 15)) if found is None else found.astype(float)
    points = (rows[:, 4:14].reshape(-1, 5, 2) + 0.5) * factor - 0.5
    middle, usual = points.mean(axis=1), FIVE.mean(axis=0)
    scale = np.linalg.norm(points - middle[:, None], axis=(1, 2)) / np.linalg.norm(FIVE - usual)
    corner = middle + 0.5 - scale[:, None] * (usual + 0.5)
    return _largest_first(np.column_stack([corner, 96 * scale]), rows[:, 14])


def _looked_through(photograph: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    """A photograph, no side over `longest`, and by how much the given one is larger."""
    shrunk = longest / max(photograph.shape)
    if shrunk >= 1:
        return photograph, 1.0
    looked = cv2.resize(photograph, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    return looked, max(photograph.shape) / max(looked.shape)


def _largest_first(squares: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-squares[:, 2], kind="stable")
    return squares[order], scores[order]
