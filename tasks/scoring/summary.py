"""Summarizes a scored batch: counts of its predictions, and its table as CSV."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.common.csv_escaping import write_cells
from tasks.common.errors import group_reasons
from tasks.common.files import replacing
from tasks.orchestration.artifacts import counted, log, log_table
from tasks.orchestration.decorators import task
from tasks.scoring.shards import place_of


@task
def count_scored(out: Path, left_out: str = "") -> None:
    """Log the distribution of the emotions, how many records have no face for each reason, and what is left out."""
    predictions = pd.read_parquet(out / "predictions.parquet", columns=["emotion", "confidence", "abstained"])
    by_emotion = predictions.groupby("emotion").agg(
        faces=("confidence", "size"), confidence=("confidence", "mean"), abstained=("abstained", "sum")
    )
    rows = [
        {"emotion": name, "faces": num_faces, "mean confidence": confidence, "abstained": abstained}
        for name, num_faces, confidence, abstained in by_emotion.itertuples(name=None)
    ]
    log_table("emotions", rows, f"{counted(len(predictions), 'face')} scored: {out}")
    if reasons := count_reasons(out):
        first = first_sources(out)
        counts = [{"reason": reason, "records": count, "the first": first[reason]} for reason, count in reasons.items()]
        log_table(
            "skipped", counts, "Images, rows and frames without a face; skipped.parquet lists each with its reason"
        )
    if left_out:
        log(f"left out, and in neither table: {left_out}")


def count_reasons(out: Path) -> dict[str, int]:
    """The groups of reasons for which records have no face, most frequent first; that of the others is last."""
    reasons = pd.read_parquet(out / "skipped.parquet", columns=["reason"])["reason"].tolist()
    groups = group_reasons(reasons)
    counts = Counter(groups[reason] for reason in reasons)
    return {group: counts[group] for group in dict.fromkeys(groups.values())}


def first_sources(out: Path) -> dict[str, str]:
    """The first source, with its row or its frame, of each group of `count_reasons`."""
    table = pd.read_parquet(out / "skipped.parquet")
    groups, first = group_reasons(table["reason"].tolist()), dict[str, str]()
    frames = table.get("frame", pd.Series(np.nan, table.index))
    for source, row, frame, reason in zip(table["source"], table["row"], frames, table["reason"], strict=True):
        if groups[reason] not in first:
            first[groups[reason]] = place_of(source, row, frame)
    return first


@task
def write_csv(out: Path) -> None:
    """Write the predictions as CSV beside the Parquet; text that a spreadsheet would run as a formula is quoted."""
    with replacing(out / "predictions.csv") as temporary:
        write_cells(pd.read_parquet(out / "predictions.parquet"), temporary, float_format="%.6g")
