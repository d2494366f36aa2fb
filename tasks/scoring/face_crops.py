"""Crops faces from images, frames and rows of tables, at the input sizes of both models."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from threading import Lock
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np
import pandas as pd

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from faces.data.grey_levels import level_problem
from faces.scoring.alignment import PATCH, surroundings
from faces.scoring.face_crops import crop
from faces.scoring.tight_crops import fills, second_look
from params import Score
from tasks.common.errors import UnreadableInput, content_errors
from tasks.common.files import readable, text_of
from tasks.readers.images import grey_levels
from tasks.readers.records import Record
from tasks.readers.sources import OpenZip, content_of
from tasks.scoring.centerface_network import run_centerface
from tasks.scoring.face_detector import make_detector

BOX = ["box_x", "box_y", "box_size", "angle"]
PLACE = ["source", "row", "frame", "time_s"]
"""Columns that say where a record is: `frame` and `time_s` of frames only."""
BOX_COLUMNS = [*PLACE, "face", *BOX, "detection_score"]
NO_CROP = "its faces cannot be cropped"
LARGE_PIXELS = 24_000_000
"""Of a larger image no second one is processed at the same time: one of `max_image_pixels` may need a gigabyte."""


class Crops(NamedTuple):
    """The faces of some records, one row each in `detections` (BOX_COLUMNS), and the records without a face.

    BOX is a face's box in pixels of its image, and degrees, see `faces.scoring.face_framing`; `detection_score` is NaN
    if no detector ran. `images` are (n, size, size) uint8. `skipped` has PLACE and `reason`. `detected` (m,) are the
    numbers of the faces that are cropped by a detector's box, and `patches` their surroundings, see
    `faces.scoring.alignment`.
    """

    detections: pd.DataFrame
    images: dict[str, np.ndarray]
    skipped: pd.DataFrame
    detected: np.ndarray
    patches: np.ndarray


class _Cropped(NamedTuple):
    """One record's boxes (n, 4), scores (n,), crops by model, and patches, none if the boxes are no detector's."""

    boxes: np.ndarray
    scores: np.ndarray
    crops: dict[str, np.ndarray]
    patches: np.ndarray


def crop_faces(records: Sequence[Record], mode: str, settings: Score, pool: Executor | None = None) -> Crops:
    """The faces of records. `mode`: `detect` faces, or take each image `whole`.

    `auto` takes an image whole up to `max_crop_px`, and with CenterFace also a larger one that one face fills. With
    `pool`, images are processed side by side, but for large ones; the result is the same.
    """
    detections: list[tuple[object, ...]] = []
    skipped: list[tuple[object, ...]] = []
    detected: list[int] = []
    with_faces: list[_Cropped] = []
    cropped = partial(_cropped, mode=mode, settings=settings, large=Lock())
    # Rows of tables take less time than handing them over.
    is_table = all(_is_known_face(record) for record in records)
    for record, found in zip(records, (pool.map if pool and not is_table else map)(cropped, records), strict=True):
        place = (text_of(record.source), record.row, record.frame, record.time_s)
        if isinstance(found, str):
            skipped.append((*place, found))
            continue
        with_faces.append(found)
        detected += range(len(detections), len(detections) + len(found.patches))
        for number, (box, score) in enumerate(zip(found.boxes, found.scores, strict=True), start=1):
            detections.append((*place, number, *box.tolist(), score))
    images = {
        model_name: np.concatenate(
            [np.empty((0, size, size), np.uint8), *(one.crops[model_name] for one in with_faces)]
        )
        for model_name, size in SIZES.items()
    }
    patches = np.concatenate([np.empty((0, PATCH, PATCH), np.uint8), *(one.patches for one in with_faces)])
    tables = _table(detections, BOX_COLUMNS), _table(skipped, [*PLACE, "reason"])
    return Crops(tables[0], images, tables[1], np.array(detected, int), patches)


def _cropped(record: Record, mode: str, settings: Score, large: Lock) -> _Cropped | str:
    """The faces of a record, or the reason why it has none. An image over LARGE_PIXELS holds the lock `large`."""
    with ExitStack() as held:

        def wait_if_large(width: int, height: int) -> None:
            if width * height > LARGE_PIXELS:
                held.enter_context(large)

        try:
            image, boxes, scores, by_detector = _detections(record, mode, settings, wait_if_large)
            crops = {model_name: crop_boxes(image, boxes, size) for model_name, size in SIZES.items()}
            with content_errors(NO_CROP):
                return _Cropped(boxes, scores, crops, surroundings(image, boxes if by_detector else boxes[:0]))
        except UnreadableInput as error:
            return readable(str(error))


def _table(rows: Sequence[tuple[object, ...]], columns: list[str]) -> pd.DataFrame:
    # Of a shard without frames, these columns have no value to tell their types.
    return pd.DataFrame(rows, columns=columns).astype({"frame": "Int64", "time_s": "float64"})


def _is_known_face(record: Record) -> bool:
    return isinstance(record.content, np.ndarray) and record.frame is None


def _detections(
    record: Record, mode: str, settings: Score, check: Callable[[int, int], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """An image, the boxes (n, 4) of its faces, their scores (n,), and whether the boxes are a detector's.

    Raises UnreadableInput if it has no face.
    """
    image = load_image(record, settings, check=check)
    if _is_known_face(record) or mode == "whole" or (mode == "auto" and max(image.shape) <= settings.max_crop_px):
        if not _may_be_whole(image, settings):
            raise UnreadableInput(
                "the square box around it has more pixels than score.max_image_pixels; make the image smaller"
            )
        return image, _whole(image), np.array([np.nan]), False
    detect = make_detector(settings)
    with content_errors("face detection failed"):
        boxes, scores = detect(image)
        if mode == "auto" and settings.detector.name == "centerface" and _may_be_whole(image, settings):
            score = None if len(boxes) else second_look(image, run_centerface)
            if score or fills(boxes, image.shape):
                return image, _whole(image), np.array([score]) if score else scores, False
    if not len(boxes):
        raise UnreadableInput(_no_face(image, mode, settings))
    return image, boxes, scores, True


def _may_be_whole(image: np.ndarray, settings: Score) -> bool:
    return max(image.shape) ** 2 <= settings.max_image_pixels


def _no_face(image: np.ndarray, mode: str, settings: Score) -> str:
    upright_only = "only upright faces are detected" if settings.detector.name == "cascade" else ""
    if mode != "auto":
        return f"no face found ({upright_only})" if upright_only else "no face found"
    height, width = image.shape
    reasons = f"searched, because {width}x{height} pixels are more than score.max_crop_px = {settings.max_crop_px}"
    if upright_only:
        reasons += f"; {upright_only}"
    return f"no face found ({reasons}); `faces score --mode whole` takes it as one face"


def load_image(
    record: Record,
    settings: Score,
    open_zip: OpenZip = ZipFile,
    check: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Grey levels (H, W) uint8 of a record. Raises UnreadableInput if it cannot be read, or is constant.

    `check` is given the width and height of a file before it is decoded.
    """
    if isinstance(record.content, str):
        raise UnreadableInput(record.content)
    if isinstance(record.content, np.ndarray):
        image = record.content
    else:
        content = content_of(record.source, open_zip) if record.content is None else record.content
        image = grey_levels(content, settings.max_image_pixels, check)
    # Before a detector runs: it may find a face in noise, and of a constant image the reason is known.
    if problem := level_problem(image):
        raise UnreadableInput(problem)
    return image


def _whole(image: np.ndarray) -> np.ndarray:
    """The smallest square box (1, 4) around an image (H, W), with the same centre."""
    height, width = image.shape
    side = max(height, width)
    return np.array([[(width - side) / 2, (height - side) / 2, side, 0]])


def crop_boxes(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (n, size, size) uint8 of the boxes (n, 4) of an image (H, W). Raises UnreadableInput if OpenCV fails."""
    height, width = image.shape
    with content_errors(NO_CROP):
        if height == width and boxes.tolist() == [[0, 0, height, 0]]:
            # Resized as the faces of a table are: the same face gets the same prediction.
            return resize_images(image[None], size)
        return crop(image, boxes, size)
