"""Draws grids of scored faces, which are read from their sources again."""

import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES
from faces.plots.face_grid import faces_figure
from faces.scoring.face_crops import image_to_crop
from params import Score
from tasks.common.errors import Unreachable, UnreadableInput
from tasks.common.files import InputError, source_of
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.plots.figure_files import save_figure
from tasks.readers.records import read_records
from tasks.scoring.face_crops import BOX, crop_boxes, load_image
from tasks.video.frames import FrameOptions
from tasks.video.track_table import has_frames

NO_FRAME = -1


@task
def draw_predictions(out: Path, settings: Score, num_examples: int, figure: Path) -> None:
    """Write and log a grid of faces with keypoints and emotion, evenly spaced in the table.

    Raises InputError if no source can still be read.
    """
    path = out / "predictions.parquet"
    num_faces = pq.read_metadata(path).num_rows
    shown = np.linspace(0, num_faces - 1, min(num_examples, num_faces)).astype(int)
    title = "Predictions: 15 keypoints and an emotion for every face"
    if not draw_grid(rows_of(path, shown), title, figure, settings):
        raise InputError(f"{figure}: no face can be read from the scored sources any more; score again")


def rows_of(path: Path, numbers: np.ndarray) -> pd.DataFrame:
    """The rows of a table with these numbers, in their order, one batch in memory at a time."""
    frame = ["frame"] if has_frames(path) else []
    columns = ["source", "row", *frame, *BOX, "emotion", "confidence", *COORDINATES]
    found, start = [], 0
    with pq.ParquetFile(path, pre_buffer=False) as table:
        for batch in table.iter_batches(columns=columns):
            wanted = numbers[(numbers >= start) & (numbers < start + len(batch))]
            found.append(batch.take(wanted - start).to_pandas().set_axis(wanted))
            start += len(batch)
    return pd.concat(found).loc[numbers]


def draw_grid(rows: pd.DataFrame, title: str, figure: Path, settings: Score) -> bool:
    """Write and log faces with keypoints and emotions; False if no source can still be read."""
    images, rows = cropped_faces(rows, settings)
    if not len(rows):
        return False
    in_image = rows[list(COORDINATES)].to_numpy(float).reshape(-1, 15, 2)
    keypoints = image_to_crop(in_image, rows[BOX].to_numpy(float), images.shape[1])
    captions = [
        f"{emotion} {confidence:.0%}" for emotion, confidence in zip(rows["emotion"], rows["confidence"], strict=True)
    ]
    save_figure(faces_figure(images, captions, title, keypoints), figure, figure.stem, title)
    return True


def cropped_faces(rows: pd.DataFrame, settings: Score) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops (n, 96, 96) uint8 of predicted faces, read from their sources again, and the rows that could be read."""
    images: dict[object, np.ndarray] = {}
    open_zip = lru_cache(maxsize=1)(zipfile.ZipFile)
    for source, requested in rows.groupby("source", sort=False):
        frames = requested["frame"].fillna(NO_FRAME).astype(int) if "frame" in rows else NO_FRAME
        places = zip(requested["row"].tolist(), requested.assign(frame=frames)["frame"].tolist(), strict=True)
        of_records: dict[tuple[int, int], list[object]] = {}
        for index, of_place in zip(requested.index, places, strict=True):
            of_records.setdefault(of_place, []).append(index)
        wanted = frozenset(frame for _, frame in of_records) - {NO_FRAME} or None
        try:
            for record in read_records(source_of(str(source)), FrameOptions(settings.max_image_pixels, wanted=wanted)):
                place = (record.row, NO_FRAME if record.frame is None else record.frame)
                if place in of_records:
                    of_record = requested.loc[of_records.pop(place)]
                    boxes = of_record[BOX].to_numpy(float)
                    crops = crop_boxes(load_image(record, settings, open_zip), boxes, SIZES["keypoints"])
                    images.update(zip(of_record.index, crops, strict=True))
                if not of_records:
                    break
            if not set(requested.index) <= images.keys():
                log(f"{source}: some of its rows or frames no longer exist; their faces are not shown")
        except (UnreadableInput, Unreachable) as error:
            log(f"{source}: its faces are not shown ({error})")
    kept = rows[rows.index.isin(images)]
    return np.array([images[index] for index in kept.index]), kept
