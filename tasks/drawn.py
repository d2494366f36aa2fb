"""What a scored batch shows: each photograph with its faces, and what was said, counted."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from faces.labels import COORDINATES
from faces.photograph_figure import photograph_figure
from params import Score
from tasks.files import replacing
from tasks.orchestration import leave_picture, leave_table, log, task
from tasks.pictures import grey_levels
from tasks.sources import Unusable, content_of, is_table

LEFT = 12
"""Pictures that a run leaves in the UI; all are in the folder."""


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
    """The predictions as CSV beside the Parquet."""
    with replacing(out / "predictions.csv") as temporary:
        pd.read_parquet(out / "predictions.parquet").to_csv(temporary, index=False, float_format="%.6g")


@task
def draw_pictures(out: Path, settings: Score) -> None:
    """Write every picture that has faces, with squares, points and emotions, into `pictures/`."""
    predictions = pd.read_parquet(out / "predictions.parquet")
    pictures = [source for source in predictions["source"].unique() if not is_table(source)]
    drawn = []
    for number, source in enumerate(pictures, start=1):
        table = predictions[predictions["source"] == source]
        try:
            picture = grey_levels(content_of(source), settings.most_pixels)
        except Unusable as error:
            log(f"{source}: {error} any more; it is not drawn")
            continue
        points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
        captions = [f"{name} {sure:.0%}" for name, sure in zip(table["emotion"], table["confidence"], strict=True)]
        squares = table[["left", "top", "side"]].to_numpy(np.float64)
        # Of a name from anywhere, what every file system takes.
        stem = re.sub(r"[^\w.-]", "_", Path(source).stem)[:60]
        drawn.append(out / "pictures" / f"{number:04}-{stem}.png")
        with replacing(drawn[-1]) as temporary:
            photograph_figure(picture, squares, points, captions).savefig(temporary, dpi=110)
    for path in drawn[:LEFT]:
        leave_picture("photograph", path, path.stem)
