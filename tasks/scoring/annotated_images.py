"""What a scored batch shows: each photograph with its faces, and what was said, counted."""

import re
import time
from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES
from faces.plots.photograph import photograph_figure
from params import Score
from tasks.common.csv_escaping import write_cells
from tasks.common.errors import Unreachable, Unusable
from tasks.common.files import replacing, source_of
from tasks.orchestration.api import Progress, leave_picture, leave_table, log, task
from tasks.readers.images import grey_levels
from tasks.readers.sources import content_of, is_table

LEFT = 12
"""Pictures that a run leaves in the UI; all are in the folder."""
EVERY_SECONDS = 10.0
"""Between two lines about how far the drawing is."""
STEM_BYTES = 180
"""Of a picture's name: what is put around it stays under the 255 that a file system takes."""


@task
def count_scored(out: Path) -> None:
    """Leave how the emotions are spread, and why what has no face has none."""
    told = pd.read_parquet(out / "predictions.parquet", columns=["emotion", "confidence", "abstained"])
    spread = told.groupby("emotion").agg(
        faces=("confidence", "size"), confidence=("confidence", "mean"), abstained=("abstained", "sum")
    )
    rows = [
        {"emotion": name, "faces": faces, "mean confidence": confidence, "abstained": abstained}
        for name, faces, confidence, abstained in spread.itertuples(name=None)
    ]
    leave_table("emotions", rows, f"{len(told):,} faces scored: {out}")
    reasons = pd.read_parquet(out / "skipped.parquet")["reason"].str.split(" (", regex=False).str[0]
    if len(reasons):
        counts = [{"reason": reason, "sources or rows": count} for reason, count in reasons.value_counts().items()]
        leave_table("skipped", counts, "Without a face, or not readable: skipped.parquet names each")


@task
def write_csv(out: Path) -> None:
    """The predictions as CSV beside the Parquet; a quote stands before a name that spreadsheets take for a formula."""
    with replacing(out / "predictions.csv") as temporary:
        write_cells(pd.read_parquet(out / "predictions.parquet"), temporary, float_format="%.6g")


@task
def draw_pictures(out: Path, settings: Score) -> None:
    """Write every picture that has faces, with squares, points and emotions, into `pictures/`; what is there stays."""
    pictures = _pictures(out / "predictions.parquet")
    drawn, new, said = [], 0, time.monotonic()
    progress, began = Progress("drawing", "pictures drawn"), said
    for number, (text, faces) in enumerate(pictures, start=1):
        path = out / "pictures" / f"{number:04}-{_stem(text)}.png"
        if not path.exists():
            try:
                _draw(source_of(text), faces, path, settings)
            except (Unusable, Unreachable) as error:
                log(f"{text}: not drawn ({error})")
                continue
            new += 1
        drawn.append(path)
        now = time.monotonic()
        if new and (now - said >= EVERY_SECONDS or number == len(pictures)):
            said, rate, left = now, new / (now - began), len(pictures) - number
            log(f"{number:,} of {len(pictures):,} pictures drawn · {rate:.1f}/s · {left / rate:.0f} s left")
            progress.update(number / len(pictures))
    for path in drawn[:LEFT]:
        leave_picture("photograph", path, path.stem)


def _pictures(path: Path) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each picture, by the text of its source, in the table's order."""
    columns = ["source", "left", "top", "side", "emotion", "confidence", *COORDINATES]
    table = pd.read_parquet(path, columns=columns)
    table = table[~table["source"].map(is_table).astype(bool)]
    return [(str(text), faces) for text, faces in table.groupby("source", sort=False)]


def _stem(text: str) -> str:
    """Of a name from anywhere, what every file system takes."""
    safe = re.sub(r"[^\w.-]", "_", Path(text).stem)[:60]
    return safe.encode()[:STEM_BYTES].decode(errors="ignore")


def _draw(source: str, faces: pd.DataFrame, path: Path, settings: Score) -> None:
    picture = grey_levels(content_of(source), settings.most_pixels)
    points = faces[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    captions = [f"{name} {sure:.0%}" for name, sure in zip(faces["emotion"], faces["confidence"], strict=True)]
    squares = faces[["left", "top", "side"]].to_numpy(np.float64)
    with replacing(path) as temporary:
        photograph_figure(picture, squares, points, captions).savefig(temporary, dpi=110)
