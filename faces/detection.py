"""Finds faces in photographs, with a cascade that OpenCV carries, and cuts them out as the networks know them."""

import cv2
import numpy as np
from cv2.data import haarcascades

CASCADE = "haarcascade_frontalface_alt2.xml"
SCALE, NEIGHBOURS = 1.1, 4
MARGIN = 1.04
"""Side of both data sets' crops over the cascade's box: medians 1.043 and 1.038 on real faces, same middle."""


def found_faces(photograph: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares around the faces of a grey photograph (H, W) uint8, largest first, and how sure the cascade is of each.

    Squares are (n, 3) left, top, side in pixels, left and top of the outermost pixel's middle; they may reach beyond
    the photograph. Scores (n,) are the last stage's weights, see OpenCV's `detectMultiScale3`. A photograph of which a
    side is over `longest` is looked through at that size.
    """
    shrunk = min(1.0, longest / max(photograph.shape))
    looked = (
        cv2.resize(photograph, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA) if shrunk < 1 else photograph
    )
    cascade = cv2.CascadeClassifier(haarcascades + CASCADE)
    found, _, weights = cascade.detectMultiScale3(looked, SCALE, NEIGHBOURS, outputRejectLevels=True)
    boxes = np.array(found, float).reshape(-1, 4) * (max(photograph.shape) / max(looked.shape))
    order = np.argsort(-boxes[:, 2], kind="stable")
    boxes, scores = boxes[order], np.array(weights, float).reshape(-1)[order]
    side = boxes[:, 2] * MARGIN
    corner = boxes[:, :2] + (boxes[:, 2:] - side[:, None]) / 2
    return np.column_stack([corner, side]), scores


def cut_out(photograph: np.ndarray, squares: np.ndarray, size: int) -> np.ndarray:
    """The squares (n, 3) as faces (n, size, size) uint8; what lies beyond the photograph repeats its edge."""
    faces = np.empty((len(squares), size, size), np.uint8)
    for face, (left, top, side) in zip(faces, squares, strict=True):
        whole = max(round(side), size)
        # Cut at the photograph's own scale first: area means need every pixel.
        centre = (left + (side - 1) / 2, top + (side - 1) / 2)
        scale = side / whole
        move = np.array(
            [[scale, 0, centre[0] - scale * (whole - 1) / 2], [0, scale, centre[1] - scale * (whole - 1) / 2]]
        )
        cut = cv2.warpAffine(
            photograph,
            move,
            (whole, whole),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        face[:] = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)
    return faces


def taken_out(points: np.ndarray, squares: np.ndarray, size: int) -> np.ndarray:
    """Points (n, 15, 2) of a photograph in pixels of the faces that `cut_out` makes of it: `put_back` undone."""
    scale = (squares[:, 2] / size)[:, None, None]
    return (points - squares[:, None, :2] + 0.5) / scale - 0.5


def put_back(points: np.ndarray, squares: np.ndarray, size: int) -> np.ndarray:
    """Points (n, 15, 2) in pixels of faces that `cut_out` made, in pixels of the photograph."""
    scale = (squares[:, 2] / size)[:, None, None]
    return (points + 0.5) * scale - 0.5 + squares[:, None, :2]
