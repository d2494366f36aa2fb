"""Faces cut out of photographs, and their points put back."""

import cv2
import numpy as np


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
