"""Draws the images of a scored batch with their faces annotated."""

import re
import time
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES
from faces.plots.photograph import photograph_figure
from params import Score
from tasks.common.errors import Unreachable, UnreadableInput
from tasks.common.files import replacing, source_of
from tasks.orchestration.artifacts import Progress, counted, log, log_figure
from tasks.orchestration.decorators import task
from tasks.readers.images import grey_levels
from tasks.readers.sources import content_of

LOGGED = 12
"""Images that a run logs as artifacts; all of them are in the folder."""
EVERY_SECONDS = 10.0
"""Between two log lines about the progress."""
STEM_BYTES = 180
"""Maximum length of an image's name: with prefix and suffix it stays under the 255 bytes of a file system."""


@task
def draw_pictures(out: Path, settings: Score) -> None:
    """Write each image that has faces, with boxes, keypoints and emotions, into `pictures/`; existing files stay."""
    by_image, open_zip = _faces_by_image(out / "predictions.parquet"), lru_cache(maxsize=1)(zipfile.ZipFile)
    drawn, new, logged_at = [], 0, time.monotonic()
    progress, started = Progress("drawing", "images drawn"), logged_at
    for number, (text, faces) in enumerate(by_image, start=1):
        path = out / "pictures" / f"{number:04}-{_stem(text)}.png"
        if not path.exists():
            try:
                _draw(content_of(source_of(text), open_zip), faces, path, settings)
            except (UnreadableInput, Unreachable) as error:
                log(f"{text}: not drawn ({error})")
                continue
            new += 1
        drawn.append(path)
        now = time.monotonic()
        if new and (now - logged_at >= EVERY_SECONDS or number == len(by_image)):
            logged_at, rate, remaining = now, new / (now - started), len(by_image) - number
            log(f"{number:,} of {counted(len(by_image), 'image')} drawn · {rate:.1f}/s · {remaining / rate:.0f} s left")
            progress.update(number / len(by_image))
    for path in drawn[:LOGGED]:
        log_figure("photograph", path, path.stem)


def _faces_by_image(path: Path) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each image, with the text of its source, in the table's order; faces of tables are left out."""
    columns = ["source", "row", "box_x", "box_y", "box_size", "emotion", "confidence", *COORDINATES]
    table = pd.read_parquet(path, columns=columns)
    table = table[table["row"] == 0]
    return [(str(text), faces) for text, faces in table.groupby("source", sort=False)]


def _stem(text: str) -> str:
    """The stem of a source's name, reduced to characters that every file system accepts."""
    safe = re.sub(r"[^\w.-]", "_", Path(text).stem)[:60]
    return safe.encode()[:STEM_BYTES].decode(errors="ignore")


def _draw(content: bytes, faces: pd.DataFrame, path: Path, settings: Score) -> None:
    image = grey_levels(content, settings.max_image_pixels)
    keypoints = faces[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    captions = [
        f"{emotion} {confidence:.0%}" for emotion, confidence in zip(faces["emotion"], faces["confidence"], strict=True)
    ]
    boxes = faces[["box_x", "box_y", "box_size"]].to_numpy(np.float64)
    with replacing(path) as temporary:
        photograph_figure(image, boxes, keypoints, captions).savefig(temporary, dpi=110)
