"""Faces from the outputs of CenterFace (Xu et al. 2020).

The network looks at a picture at a quarter of its size: each cell of its heat map says how likely a face has its centre
there; the other maps hold the face's size, the centre's position within the cell, and five points.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from faces.scoring.face_crops import crop, crop_to_image
from faces.scoring.face_detection import shrink
from faces.scoring.face_framing import UPRIGHT_DEGREES, framed, largest_first, straightened

STRIDE = 4
NMS_IOU = 0.3
MAX_CANDIDATES = 5000
"""Cells over the threshold that are looked at, the best first: a picture of noise may have as many as it has cells."""
CENTERFACE_POINTS = np.array([[29.4, 38.0], [63.0, 38.0], [46.4, 56.7], [34.5, 72.1], [61.0, 72.1]])
"""Mean positions of CenterFace's points in 96x96 crops of both data sets, which agree within 0.6 px."""
SIDE_OVER_BOX = 1.17
"""Side of both data sets' crops over the square root of the area of CenterFace's box: medians 1.18 and 1.15."""
PATCH = 160
"""Side of the picture in which a tilted face is looked at again, twice that of its crop, px."""

Maps = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Heat map (h, w), size (2, h, w), offset (2, h, w) and points (10, h, w); of each pair, y comes before x."""
Run = Callable[[np.ndarray], Maps]
"""From a grey picture (H, W) uint8 to the maps of CenterFace; the maps may cover less than is beyond the picture."""


class Found(NamedTuple):
    """Faces, best first: boxes (n, 4) of left, top, width, height; points (n, 5, 2); scores (n,) in 0..1.

    In pixels, whose centres are whole numbers. The points are right and left eye, nose tip, right and left corner of
    the mouth, of the person: the right eye is on the left in the picture.
    """

    boxes: np.ndarray
    points: np.ndarray
    scores: np.ndarray


def decode(maps: Maps, threshold: float) -> Found:
    """The faces whose score is over `threshold`, of overlapping ones the best."""
    heat, size, offset, landmarks = maps
    rows, columns = np.nonzero(heat > threshold)
    best = np.argsort(-heat[rows, columns], kind="stable")[:MAX_CANDIDATES]
    rows, columns = rows[best], columns[best]
    scores = heat[rows, columns].astype(float)
    # The network gives logarithms; a hostile picture must not overflow them.
    height, width = np.exp(np.minimum(size[:, rows, columns], 10.0).astype(float)) * STRIDE
    top = (rows + offset[0, rows, columns] + 0.5) * STRIDE - height / 2 - 0.5
    left = (columns + offset[1, rows, columns] + 0.5) * STRIDE - width / 2 - 0.5
    boxes = np.column_stack([left, top, width, height])
    pairs = landmarks[:, rows, columns].T.reshape(-1, 5, 2).astype(float)
    x, y = pairs[..., 1] * width[:, None] + left[:, None], pairs[..., 0] * height[:, None] + top[:, None]
    return strongest(Found(boxes, np.stack([x, y], axis=-1), scores))


def strongest(found: Found) -> Found:
    """The faces without those that overlap a better one by an intersection over union of more than NMS_IOU."""
    kept = np.asarray(cv2.dnn.NMSBoxes(found.boxes.tolist(), found.scores.tolist(), 0.0, NMS_IOU), int).reshape(-1)
    return Found(found.boxes[kept], found.points[kept], found.scores[kept])


def detect_faces_centerface(
    image: np.ndarray, max_side: int, run: Run, threshold: float, tile: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4), see `faces.scoring.face_framing`, and scores (n,) in threshold..1, largest first.

    `image` is grey (H, W) uint8; one with a side over `max_side` is searched at that size. With `tile`, it is searched
    in tiles of so many pixels too, each at up to twice its size. A tilted face is looked at a second time, turned
    upright, which gives its box and angle more exactly.
    """
    shrunk, factor = shrink(image, max_side)
    found = scaled(decode(run(shrunk), threshold), factor)
    if tile:
        found = strongest(joined([found, *_in_tiles(image, max_side, run, threshold, tile)]))
    boxes = _boxes(found)
    for number in np.flatnonzero(np.abs(boxes[:, 3]) > UPRIGHT_DEGREES):
        boxes[number] = _second_look(image, boxes[number], run, threshold)
    return largest_first(straightened(boxes), found.scores)


def _boxes(found: Found) -> np.ndarray:
    sides = SIDE_OVER_BOX * np.sqrt(found.boxes[:, 2] * found.boxes[:, 3])
    return framed(found.points, sides, CENTERFACE_POINTS)


def _second_look(image: np.ndarray, box: np.ndarray, run: Run, threshold: float) -> np.ndarray:
    """The box (4,) of a face as found in its surroundings turned upright; the same box if it is not found there."""
    left, top, side, angle = box
    surroundings = np.array([[left - side / 2, top - side / 2, 2 * side, angle]])
    patch = crop(image, surroundings, PATCH)[0]
    found = decode(run(patch), threshold / 2)
    boxes = _boxes(found)
    centres = boxes[:, :2] + (boxes[:, 2:3] - 1) / 2
    near = np.linalg.norm(centres - (PATCH - 1) / 2, axis=1) < PATCH / 8
    if not near.any():
        return box
    best = int(np.argmax(near))
    ((x, y),) = crop_to_image(centres[None, best : best + 1], surroundings, PATCH)[0]
    new_side = boxes[best, 2] * 2 * side / PATCH
    turned = (angle + boxes[best, 3] + 180) % 360 - 180
    return np.array([x - (new_side - 1) / 2, y - (new_side - 1) / 2, new_side, turned])


def _in_tiles(image: np.ndarray, max_side: int, run: Run, threshold: float, tile: int) -> Iterator[Found]:
    """The faces of each tile that are wholly in it, in pixels of the image."""
    for top, bottom in _spans(image.shape[0], tile):
        for left, right in _spans(image.shape[1], tile):
            part = image[top:bottom, left:right]
            scale = min(2.0, max_side / max(part.shape))
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            searched = cv2.resize(part, None, fx=scale, fy=scale, interpolation=way)
            found = scaled(decode(run(searched), threshold), max(part.shape) / max(searched.shape))
            yield _moved(_whole(found, (top, bottom, left, right), image.shape), (left, top))


def _spans(length: int, tile: int) -> list[tuple[int, int]]:
    """Begin and end of tiles along a side; neighbours share at least a quarter."""
    if length <= tile:
        return [(0, length)]
    count = 1 + math.ceil((length - tile) / (0.75 * tile))
    return [(begin, begin + tile) for begin in np.linspace(0, length - tile, count).astype(int).tolist()]


def _whole(found: Found, span: tuple[int, int, int, int], shape: tuple[int, ...]) -> Found:
    """The faces that touch no edge of their tile but those of the image: a neighbour has the others whole."""
    top, bottom, left, right = span
    begins, ends = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    kept = (begins[:, 0] > 0) | (left == 0)
    kept &= (begins[:, 1] > 0) | (top == 0)
    kept &= (ends[:, 0] < right - left) | (right == shape[1])
    kept &= (ends[:, 1] < bottom - top) | (bottom == shape[0])
    return Found(found.boxes[kept], found.points[kept], found.scores[kept])


def _moved(found: Found, by: tuple[int, int]) -> Found:
    return Found(found.boxes + np.array([*by, 0, 0]), found.points + np.array(by), found.scores)


def scaled(found: Found, factor: float) -> Found:
    """The faces in pixels of a picture that is larger by `factor`."""
    boxes = np.column_stack([(found.boxes[:, :2] + 0.5) * factor - 0.5, found.boxes[:, 2:] * factor])
    return Found(boxes, (found.points + 0.5) * factor - 0.5, found.scores)


def joined(several: Sequence[Found]) -> Found:
    return Found(*map(np.concatenate, zip(*several, strict=True)))
