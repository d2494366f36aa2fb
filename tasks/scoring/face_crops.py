"""From pictures and rows to faces, as both networks take them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from faces.scoring.face_crops import cut_out
from params import Score
from tasks.common.errors import Unusable, content_errors
from tasks.common.files import readable, text_of
from tasks.readers.images import grey_levels
from tasks.readers.records import Item
from tasks.readers.sources import content_of
from tasks.scoring.face_detector import finder_of

PLACE = ["source", "row", "face", "left", "top", "side", "detection_score"]


class Cut(NamedTuple):
    """Faces of some items, a row each in `places` (columns PLACE), their pixels by head, and items without a face.

    `left`, `top` and `side` are of a face's square in pixels of its picture; `detection_score` is NaN where none was
    looked for. `skipped` has `source`, `row` and `reason`.
    """

    places: pd.DataFrame
    images: dict[str, np.ndarray]
    skipped: pd.DataFrame


def cut_faces(items: Sequence[Item], how: str, settings: Score) -> Cut:
    """`how`: `detect` faces, take each picture `whole`, or `auto`: whole where it is no larger than a crop."""
    places, skipped = [], []
    images: dict[str, list[np.ndarray]] = {head: [np.empty((0, size, size), np.uint8)] for head, size in SIZES.items()}
    for item in items:
        name = text_of(item.source)
        try:
            picture, squares, scores = _faces(item, how, settings)
            faces = {head: cut_squares(picture, squares, size) for head, size in SIZES.items()}
        except Unusable as error:
            skipped.append((name, item.row, readable(str(error))))
            continue
        for number, (square, score) in enumerate(zip(squares, scores, strict=True), start=1):
            places.append((name, item.row, number, *square.tolist(), score))
        for head in SIZES:
            images[head].append(faces[head])
    return Cut(
        pd.DataFrame(places, columns=PLACE),
        {head: np.concatenate(parts) for head, parts in images.items()},
        pd.DataFrame(skipped, columns=["source", "row", "reason"]),
    )


def _faces(item: Item, how: str, settings: Score) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, the squares (n, 3) of its faces, and their scores (n,). Raises Unusable where there are none."""
    picture = picture_of(item, settings)
    known = isinstance(item.content, np.ndarray)
    if known or how == "whole" or (how == "auto" and max(picture.shape) <= settings.crop_side):
        if max(picture.shape) ** 2 > settings.most_pixels:
            raise Unusable("the square around it has more pixels than score.most_pixels; make it smaller")
        return picture, _whole(picture), np.array([np.nan])
    find = finder_of(settings)
    with content_errors("no face can be looked for"):
        squares, scores = find(picture)
    if not len(squares):
        raise Unusable("no face was found; upright faces are")
    return picture, squares, scores


def picture_of(item: Item, settings: Score) -> np.ndarray:
    """Grey levels (H, W) uint8. Raises Unusable where there are none."""
    if isinstance(item.content, str):
        raise Unusable(item.content)
    if isinstance(item.content, np.ndarray):
        return item.content
    return grey_levels(content_of(item.source) if item.content is None else item.content, settings.most_pixels)


def _whole(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    side = max(height, width)
    return np.array([[(width - side) / 2, (height - side) / 2, side]])


def cut_squares(picture: np.ndarray, squares: np.ndarray, size: int) -> np.ndarray:
    """The squares (n, 3) of a picture (H, W) as faces (n, size, size) uint8. Raises Unusable where they cannot be."""
    height, width = picture.shape
    with content_errors("its faces cannot be cut out"):
        if height == width and squares.tolist() == [[0, 0, height]]:
            # As faces of a table are brought to size: the same face, the same prediction.
            return resize_images(picture[None], size)
        return cut_out(picture, squares, size)
