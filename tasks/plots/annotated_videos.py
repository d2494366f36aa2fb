"""Draws the videos of a scored batch with their faces annotated, and a sheet of some of their frames."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from faces.common.schema import COORDINATES
from faces.plots.photograph import annotate
from params import Score
from tasks.common.errors import UnreadableInput, error_text, raise_if_ours
from tasks.common.files import InputError, replacing, source_of
from tasks.orchestration.artifacts import Progress, counted, log, log_figure
from tasks.orchestration.decorators import task
from tasks.plots.annotated_images import EVERY_SECONDS, JPEG, LOGGED, picture_paths
from tasks.readers.layouts import on_disk
from tasks.video.frames import Frame, FrameOptions, read_frames
from tasks.video.timelines import videos_of
from tasks.video.webm import webm_writer

SHEET_FRAMES, SHEET_WIDTH = 4, 640
"""Frames of a sheet, two a row, and the width of each in pixels."""
FACE = ["frame", "box_x", "box_y", "box_size", "angle", "track", "track_emotion", "track_confidence", *COORDINATES]


@task
def draw_videos(out: Path, settings: Score) -> None:
    """Write each video that has faces as WebM with what was found in its scored frames, and a sheet of four of these.

    Both are in `pictures/`. A WebM that exists stays: it is written as a whole, after its sheet.
    """
    paths = picture_paths(out)
    drawn = []
    for source in videos_of(out / "predictions.parquet"):
        sheet = paths[source]
        if not sheet.with_suffix(".webm").exists():
            try:
                _draw(out, source, sheet, settings)
            except UnreadableInput as error:
                log(f"{source}: not drawn ({error})")
                continue
        drawn.append(sheet)
    for sheet in drawn[:LOGGED]:
        log_figure("video", sheet, sheet.stem)


def _draw(out: Path, source: str, sheet: Path, settings: Score) -> None:
    path = sheet.with_suffix(".webm")
    of_source = [("source", "==", source)]
    faces = pq.read_table(out / "predictions.parquet", columns=FACE, filters=of_source).to_pandas()
    skipped = pq.read_table(out / "skipped.parquet", columns=["frame", "time_s"], filters=of_source).to_pandas()
    with_faces = faces.groupby("frame").indices
    frames = sorted({*with_faces, *skipped["frame"][skipped["time_s"].notna()].astype(int)})
    chosen = set(np.array(sorted(with_faces))[np.linspace(0, len(with_faces) - 1, SHEET_FRAMES).astype(int)].tolist())
    options = FrameOptions(settings.max_image_pixels, wanted=frozenset(frames), pixels="rgb24")
    tiles = []
    with replacing(path) as temporary:
        with _opened(source_of(source)) as video, webm_writer(temporary) as show:
            for frame in _with_progress(read_frames(video, options), len(frames), source):
                rows = faces.iloc[with_faces.get(frame.number, [])]
                drawn = _annotated(frame.image, rows, settings.confidence_threshold)
                show(frame.time_s, drawn)
                tiles += [drawn] if frame.number in chosen else []
        if not tiles:
            raise UnreadableInput("its frames with faces cannot be read any more")
        with replacing(sheet) as temporary_sheet:
            encoded = cv2.imencode(".jpg", cv2.cvtColor(_sheet(tiles), cv2.COLOR_RGB2BGR), JPEG)[1]
            temporary_sheet.write_bytes(encoded.tobytes())


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    """A video of the table. Raises UnreadableInput if it is gone, or its address does not answer."""
    with ExitStack() as held:
        try:
            video = held.enter_context(held.enter_context(on_disk(source)).open("rb"))
        except InputError as error:
            raise UnreadableInput(str(error)) from None
        except OSError as error:
            raise_if_ours(source, error)
            raise UnreadableInput(f"cannot be read ({error_text(error)})") from None
        yield video


def _with_progress(frames: Iterator[Frame], total: int, source: str) -> Iterator[Frame]:
    progress, started = Progress("drawing", "frames drawn"), time.monotonic()
    logged_at = started
    for number, frame in enumerate(frames, start=1):
        yield frame
        now = time.monotonic()
        if now - logged_at >= EVERY_SECONDS or number == total:
            logged_at, rate = now, number / (now - started)
            remaining = (total - number) / rate
            log(f"{source}: {number:,} of {counted(total, 'frame')} drawn · {rate:.1f}/s · {remaining:.0f} s left")
            progress.update(number / total)


def _annotated(image: np.ndarray, faces: pd.DataFrame, threshold: float) -> np.ndarray:
    abstained = faces["track_confidence"].to_numpy() < threshold
    captions = [
        f"{track} {emotion} {confidence:.0%}{'?' if confidence < threshold else ''}"
        for track, emotion, confidence in faces[["track", "track_emotion", "track_confidence"]].itertuples(index=False)
    ]
    return annotate(
        image,
        max(image.shape[:2]),
        faces[["box_x", "box_y", "box_size"]].to_numpy(np.float64),
        faces["angle"].to_numpy(np.float64),
        faces[list(COORDINATES)].to_numpy(np.float64).reshape(-1, 15, 2),
        captions,
        abstained,
    )


def _sheet(tiles: list[np.ndarray]) -> np.ndarray:
    """Frames side by side, two a row, at the size of the first."""
    height, width = tiles[0].shape[:2]
    size = SHEET_WIDTH, max(round(height * SHEET_WIDTH / width), 1)
    small = [cv2.resize(tile, size, interpolation=cv2.INTER_AREA) for tile in tiles]
    small += [np.full_like(small[0], 255)] * (len(small) % 2 if len(small) > 1 else 0)
    framed = [cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255)) for tile in small]
    return np.vstack([np.hstack(framed[start : start + 2]) for start in range(0, len(framed), 2)])
