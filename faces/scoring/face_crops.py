"""Crops faces from images, and maps keypoints between image and crop.

Boxes (n, 4) are left, top, side and angle, see `faces.scoring.face_framing`.
"""

import cv2
import numpy as np


def crop(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (n, size, size) uint8 of the boxes (n, 4) of an image (H, W); beyond the image, its edge is repeated."""
    crops = np.empty((len(boxes), size, size), np.uint8)
    for resized, (left, top, side, angle) in zip(crops, boxes, strict=True):
        full_size = max(round(side), size)
        # Crops at the image's own scale first: averaging over areas needs every pixel.
        scale = side / full_size
        turn = scale * _turns(np.array([angle]))[0]
        centre = np.array([left, top]) + (side - 1) / 2
        crop_to_image_affine = np.column_stack([turn, centre - turn @ np.full(2, (full_size - 1) / 2)])
        full = cv2.warpAffine(
            image,
            crop_to_image_affine,
            (full_size, full_size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        resized[:] = cv2.resize(full, (size, size), interpolation=cv2.INTER_AREA)
    return crops


def image_to_crop(points: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Points (n, k, 2) in pixels of an image, in pixels of the crops of its boxes (n, 4); inverts `crop_to_image`."""
    scale = (boxes[:, 2] / size)[:, None, None]
    in_crops: np.ndarray = (_turned(points, boxes, -boxes[:, 3]) - boxes[:, None, :2] + 0.5) / scale - 0.5
    return in_crops


def crop_to_image(points: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Points (n, k, 2) in pixels of the crops of boxes (n, 4), in pixels of the image; inverts `image_to_crop`."""
    scale = (boxes[:, 2] / size)[:, None, None]
    return _turned((points + 0.5) * scale - 0.5 + boxes[:, None, :2], boxes, boxes[:, 3])


def _turned(points: np.ndarray, boxes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Points (n, k, 2) turned about the centres of boxes (n, 4) by angles (n,); without rounding where one is 0."""
    centres = (boxes[:, :2] + (boxes[:, 2:3] - 1) / 2)[:, None]
    turned = (points - centres) @ _turns(angles).swapaxes(1, 2) + centres
    return np.where(angles[:, None, None] == 0, points, turned)


def _turns(angles: np.ndarray) -> np.ndarray:
    """The matrices (n, 2, 2) that turn a column (x, y) clockwise, as y points down, by angles (n,) in degrees."""
    cos, sin = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
