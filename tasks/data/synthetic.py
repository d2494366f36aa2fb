"""Writes the embedded sample faces as the two published CSV layouts."""

from pathlib import Path

from faces.synthetic.tables import emotion_table, keypoints_table, planted
from params import Sample
from tasks.common.files import replacing
from tasks.orchestration.api import leave_table, log, task

TABLES = {"keypoints": keypoints_table, "emotion": emotion_table}


@task
def draw_table(head: str, settings: Sample, out: Path) -> Path:
    """Draw one table's faces and write them; the same bytes for the same seed."""
    rows = getattr(settings, f"{head}_rows")
    log(f"drawing {rows} {head} faces")
    table = TABLES[head](settings.seed, rows)
    with replacing(out) as temporary:
        table.to_csv(temporary, index=False)
    return out


@task
def report_planted(settings: Sample) -> None:
    """Say which defects were planted, so that validation's counts can be compared."""
    counts = {head: planted(getattr(settings, f"{head}_rows"), head) for head in TABLES}
    defects = dict.fromkeys(defect for each in counts.values() for defect in each)
    rows = [{"defect": defect, **{head: counts[head].get(defect, 0) for head in TABLES}} for defect in defects]
    leave_table("sample-planted", rows, "Planted defects, in rows")
