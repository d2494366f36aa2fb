"""Drawn photographs: faces of any kind, drawn or real, blended into drawn backgrounds."""

from typing import NamedTuple

import cv2
import numpy as np

SCENE = (640, 960)
"""Height and width, px."""
FADING = 0.1
"""Over this share of half a crop's side, its edge fades into the background."""


class Cell(NamedTuple):
    """A kind of scene: range of the crops' sides in px, range of the roll in degrees to either side, and faces a scene.

    The faces of a scene stand in a grid of `columns` by `rows`, at random positions within their fields.
    """

    sides: tuple[float, float]
    degrees: tuple[float, float]
    columns: int
    rows: int


class Scene(NamedTuple):
    """A picture (H, W) uint8, the numbers of its faces (n,), and where their crops are.

    `boxes` (n, 4): left, top, side in pixels and degrees, as those of a detected face, see `faces.scoring.face_crops`.
    """

    image: np.ndarray
    faces: np.ndarray
    boxes: np.ndarray


def background(rng: np.random.Generator, size: tuple[int, int] = SCENE) -> np.ndarray:
    """A drawn background (H, W) float: noise of three scales, and some blurred rectangles and lines."""
    height, width = size
    image = np.full(size, rng.uniform(60, 180), np.float32)
    for cells, contrast in ((2, 20), (5, 20), (24, rng.uniform(0, 6))):
        noise = rng.normal(0, contrast, (cells, max(cells * width // height, 2))).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.integers(4, 12)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        far = (int(x + rng.uniform(-0.4, 0.4) * width), int(y + rng.uniform(-0.4, 0.4) * height))
        grey, thickness = rng.uniform(20, 235), int(rng.integers(1, 9))
        draw = cv2.rectangle if rng.random() < 0.6 else cv2.line
        draw(image, (int(x), int(y)), far, grey, -1 if draw is cv2.rectangle and rng.random() < 0.5 else thickness)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(2, 6))
    background: np.ndarray = np.clip(image + rng.normal(0, rng.uniform(0, 3), size), 0, 255)
    return background


def draw_scene(rng: np.random.Generator, faces: np.ndarray, numbers: np.ndarray, cell: Cell) -> Scene:
    """Blend faces (N, S, S) uint8, those of `numbers` (n,), into a background."""
    image = background(rng)
    field = np.array([image.shape[1] / cell.columns, image.shape[0] / cell.rows])
    places = rng.permutation(cell.columns * cell.rows)[: len(numbers)]
    boxes = np.empty((len(numbers), 4))
    for box, number, place in zip(boxes, numbers, places, strict=True):
        side = rng.uniform(cell.sides[0], min(cell.sides[1], field.min()))
        angle = rng.uniform(*cell.degrees) * rng.choice([-1, 1])
        free = field - side
        corner = field * (place % cell.columns, place // cell.columns) + rng.uniform(0.1, 0.9, 2) * free
        box[:] = *corner, side, angle
        _blend(image, faces[number], box)
    return Scene(np.clip(image, 0, 255).astype(np.uint8), numbers, boxes)


def _blend(image: np.ndarray, face: np.ndarray, box: np.ndarray) -> None:
    """Blend a face (S, S) into an image in place, as a square whose edge fades out."""
    size = len(face)
    left, top, side, angle = box
    # Enlarged or reduced first: averaging over areas needs every pixel.
    scaled = max(round(side), 1)
    way = cv2.INTER_AREA if scaled < size else cv2.INTER_CUBIC
    resized = cv2.resize(face, (scaled, scaled), interpolation=way).astype(np.float32)
    y, x = (np.indices(resized.shape) + 0.5) / scaled * 2 - 1
    mask = np.clip((1 - np.maximum(abs(x), abs(y))) / FADING, 0, 1).astype(np.float32)
    middle = (left + (side - 1) / 2, top + (side - 1) / 2)
    affine = cv2.getRotationMatrix2D(((scaled - 1) / 2,) * 2, -angle, side / scaled)
    affine[:, 2] += np.array(middle) - (scaled - 1) / 2
    shape = image.shape[::-1]
    placed = cv2.warpAffine(resized, affine, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(mask, affine, shape, flags=cv2.INTER_LINEAR)
    image += weight * (placed - image)
