"""Summarizes a scored batch: counts of its predictions, and its table as CSV."""

from pathlib import Path

import pandas as pd

from tasks.common.csv_escaping import write_cells
from tasks.common.files import replacing
from tasks.orchestration.artifacts import log_table
from tasks.orchestration.decorators import task


@task
def count_scored(out: Path) -> None:
    """Log the distribution of the emotions, and the counts of the reasons for which a record has no face."""
    predictions = pd.read_parquet(out / "predictions.parquet", columns=["emotion", "confidence", "abstained"])
    by_emotion = predictions.groupby("emotion").agg(
        faces=("confidence", "size"), confidence=("confidence", "mean"), abstained=("abstained", "sum")
    )
    rows = [
        {"emotion": name, "faces": num_faces, "mean confidence": confidence, "abstained": abstained}
        for name, num_faces, confidence, abstained in by_emotion.itertuples(name=None)
    ]
    log_table("emotions", rows, f"{len(predictions):,} faces scored: {out}")
    reasons = pd.read_parquet(out / "skipped.parquet")["reason"].str.split(" (", regex=False).str[0]
    if len(reasons):
        counts = [{"reason": reason, "sources or rows": count} for reason, count in reasons.value_counts().items()]
        log_table("skipped", counts, "Sources and rows without a face; skipped.parquet lists each with its reason")


@task
def write_csv(out: Path) -> None:
    """Write the predictions as CSV beside the Parquet; text that a spreadsheet would run as a formula is quoted."""
    with replacing(out / "predictions.csv") as temporary:
        write_cells(pd.read_parquet(out / "predictions.parquet"), temporary, float_format="%.6g")
