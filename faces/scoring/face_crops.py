"""Crops faces from images, and maps keypoints between image and crop."""

import cv2
import numpy as np


def crop(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (n, size, size) uint8 of the boxes (n, 3) of an image (H, W); beyond the image, its edge is repeated."""
    crops = np.empty((len(boxes), size, size), np.uint8)
    for resized, (left, top, side) in zip(crops, boxes, strict=True):
        full_size = max(round(side), size)
        # Crops at the image's own scale first: averaging over areas needs every pixel.
        centre = (left + (side - 1) / 2, top + (side - 1) / 2)
        scale = side / full_size
        offset = scale * (full_size - 1) / 2
        crop_to_image_affine = np.array([[scale, 0, centre[0] - offset], [0, scale, centre[1] - offset]])
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
    """Points (n, 15, 2) in pixels of an image, in pixels of the crops of its boxes (n, 3); inverts `crop_to_image`."""
    scale = (boxes[:, 2] / size)[:, None, None]
    return (points - boxes[:, None, :2] + 0.5) / scale - 0.5


def crop_to_image(points: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Points (n, 15, 2) in pixels of the crops of boxes (n, 3), in pixels of the image; inverts `image_to_crop`."""
    scale = (boxes[:, 2] / size)[:, None, None]
    return (points + 0.5) * scale - 0.5 + boxes[:, None, :2]
