"""Draws the images of a scored batch with their faces annotated."""

import os
import re
import time
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faces.common.schema import COORDINATES
from faces.plots.photograph import MAX_SIDE, annotate
from params import Score
from tasks.common.errors import Unreachable, UnreadableInput
from tasks.common.files import replacing, source_of
from tasks.orchestration.artifacts import Progress, counted, log, log_figure
from tasks.orchestration.decorators import task
from tasks.readers.images import colours
from tasks.readers.sources import content_of
from tasks.video.track_table import has_frames

LOGGED = 12
"""Images that a run logs as artifacts, and reasons why one is not drawn; all images are in the folder."""
EVERY_SECONDS = 5.0
"""Between two log lines about the progress."""
STEM_BYTES = 180
"""Maximum length of an image's name: with prefix and suffix it stays under the 255 bytes of a file system."""
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
"""Without subsampled colours, which blur thin lines."""
LARGE_PIXELS = 24_000_000
"""A larger image is decoded alone: one of `max_image_pixels` may need a gigabyte."""
WAITING_BYTES = 256 * 2**20
"""Of the files that wait to be drawn."""


class Picture(NamedTuple):
    """An image with faces: its source as in the table, its rows there, and the path of its drawing."""

    source: str
    faces: pd.DataFrame
    path: Path


@task
def draw_pictures(out: Path, settings: Score) -> None:
    """Write each image that has faces, with boxes, keypoints and emotions, into `pictures/`; existing files stay."""
    found = pictures_of(out)
    drawn, reasons, new, logged_at = [], [], 0, time.monotonic()
    progress, started = Progress("drawing", "images drawn"), logged_at
    for number, (picture, is_new, reason) in enumerate(_drawn(found, settings), start=1):
        new += is_new
        reasons += [f"{picture.source}: not drawn ({reason})"] if reason else []
        drawn += [] if reason else [picture.path]
        now = time.monotonic()
        if new and (now - logged_at >= EVERY_SECONDS or number == len(found)):
            logged_at, rate, remaining = now, new / (now - started), len(found) - number
            log(f"{number:,} of {counted(len(found), 'image')} drawn · {rate:.1f}/s · {remaining / rate:.0f} s left")
            progress.update(number / len(found))
    for reason in reasons[:LOGGED]:
        log(reason)
    if len(reasons) > LOGGED:
        log(f"{counted(len(reasons) - LOGGED, 'more image')} not drawn")
    for path in drawn[:LOGGED]:
        log_figure("photograph", path, path.stem)


def pictures_of(out: Path) -> list[Picture]:
    """The images with faces in a scored folder, in the table's order; rows of tables and videos are left out."""
    path = out / "predictions.parquet"
    names = ["source", "row", "box_x", "box_y", "box_size", "emotion", "confidence", "abstained", *COORDINATES]
    is_rotated = "angle" in pq.read_schema(path).names
    no_frames = pc.field("frame").is_null() if has_frames(path) else None
    table = pd.read_parquet(path, columns=[*names, "angle"] if is_rotated else names, filters=no_frames)
    table = table[table["row"] == 0] if is_rotated else table[table["row"] == 0].assign(angle=0.0)
    paths = picture_paths(out)
    return [Picture(str(text), faces, paths[str(text)]) for text, faces in table.groupby("source", sort=False)]


def picture_paths(out: Path) -> dict[str, Path]:
    """Where the image of each source with faces is drawn, of a video some frames, in the table's order."""
    table = pd.read_parquet(out / "predictions.parquet", columns=["source", "row"])
    sources = table["source"][table["row"] == 0].unique()
    numbered = enumerate(map(str, sources), start=1)
    return {text: out / "pictures" / f"{number:04}-{_stem(text)}.jpg" for number, text in numbered}


def _stem(text: str) -> str:
    """The stem of a source's name, reduced to characters that every file system accepts."""
    safe = re.sub(r"[^\w.-]", "_", Path(text).stem)[:60]
    return safe.encode()[:STEM_BYTES].decode(errors="ignore")


def _drawn(pictures: Iterable[Picture], settings: Score) -> Iterator[tuple[Picture, bool, str]]:
    """Each image, in order, whether it was drawn now, and the reason if it cannot be; on all cores.

    Files are read here, one after another: a zip stays open for all its images.
    """
    open_zip, cores, large = lru_cache(maxsize=1)(zipfile.ZipFile), os.cpu_count() or 1, Lock()
    waiting: deque[tuple[Picture, Future[None] | str, int]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for picture in pictures:
                content, reason = b"", ""
                is_new = not picture.path.exists()
                try:
                    content = content_of(source_of(picture.source), open_zip) if is_new else b""
                except (UnreadableInput, Unreachable) as error:
                    reason = str(error)
                is_read = is_new and not reason
                work = pool.submit(_draw, content, picture, settings, large) if is_read else reason
                waiting.append((picture, work, len(content)))
                while len(waiting) > 2 * cores or sum(size for *_, size in waiting) > WAITING_BYTES:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(picture: Picture, work: Future[None] | str, _: int) -> tuple[Picture, bool, str]:
    if isinstance(work, str):
        return picture, False, work
    try:
        work.result()
    except UnreadableInput as error:
        return picture, False, str(error)
    return picture, True, ""


def _draw(content: bytes, picture: Picture, settings: Score, large: Lock) -> None:
    faces = picture.faces
    with ExitStack() as held:

        def wait_if_large(width: int, height: int) -> None:
            if width * height > LARGE_PIXELS:
                held.enter_context(large)

        image, side = colours(content, settings.max_image_pixels, MAX_SIDE, wait_if_large)
        captions = [
            f"{emotion} {confidence:.0%}{'?' if abstained else ''}"
            for emotion, confidence, abstained in faces[["emotion", "confidence", "abstained"]].itertuples(index=False)
        ]
        image = annotate(
            image,
            side,
            faces[["box_x", "box_y", "box_size"]].to_numpy(np.float64),
            faces["angle"].to_numpy(np.float64),
            faces[list(COORDINATES)].to_numpy(np.float64).reshape(-1, 15, 2),
            captions,
            faces["abstained"].to_numpy(bool),
        )
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), JPEG)[1]
    with replacing(picture.path) as temporary:
        temporary.write_bytes(encoded.tobytes())
