"""Finds faces in photographs, with a cascade that OpenCV carries, and cuts them out as the networks know them."""

import cv2
import numpy as np
from cv2.data import haarcascades

CASCADE = "haarcascade_frontalface_alt2.xml"
SCALE, NEIGHBOURS = 1.1, 4
MARGIN = 1.04
"""Side of both data sets' crops over the cascade's box: medians 1.043 and 1.038 on real faces, same middle."""


def face_squares(photograph: np.ndarray) -> np.ndarray:
    """Squares around the faces of a grey photograph (H, W) uint8, largest first: (n, 3) left, top, side in pixels.

    Left and top are of the square's outermost pixel's middle; a square may reach beyond the photograph.
    """
    found = cv2.CascadeClassifier(haarcascades + CASCADE).detectMultiScale(photograph, SCALE, NEIGHBOURS)
    boxes = np.array(found, float).reshape(-1, 4)
    boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")]
    side = boxes[:, 2] * MARGIN
    corner = boxes[:, :2] + (boxes[:, 2:] - side[:, None]) / 2
    return np.column_stack([corner, side])


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


def put_back(points: np.ndarray, squares: np.ndarray, size: int) -> np.ndarray:
    """Points (n, 15, 2) in pixels of faces that `cut_out` made, in pixels of the photograph."""
    scale = (squares[:, 2] / size)[:, None, None]
    return (points + 0.5) * scale - 0.5 + squares[:, None, :2]
