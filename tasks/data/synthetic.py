"""Write the embedded sample faces in the two published CSV layouts."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from faces.synthetic.tables import emotion_table, keypoints_table, planted
from params import Sample
from tasks.common.files import replacing
from tasks.orchestration.artifacts import counted, log, log_table
from tasks.orchestration.decorators import task

TABLES = {"keypoints": keypoints_table, "emotion": emotion_table}
CHUNK = 50
"""Faces that a process draws at a time."""


@task
def draw_table(model_name: str, settings: Sample, out: Path) -> Path:
    """Draw the faces of one table and write them; the same seed gives the same bytes."""
    num_samples = getattr(settings.num_samples, model_name)
    log(f"drawing {counted(num_samples, f'{model_name} face')}")
    # A fork of this process could inherit locks of Prefect's threads.
    with ProcessPoolExecutor(mp_context=get_context("forkserver")) as pool:
        table = TABLES[model_name](settings.seed, num_samples, partial(pool.map, chunksize=CHUNK))
    with replacing(out) as temporary:
        table.to_csv(temporary, index=False)
    return out


@task
def report_planted(settings: Sample) -> None:
    """Log a table of the planted defects, to compare with the counts of validation."""
    counts = {model_name: planted(getattr(settings.num_samples, model_name), model_name) for model_name in TABLES}
    defects = dict.fromkeys(defect for each in counts.values() for defect in each)
    rows = [
        {"defect": defect, **{model_name: counts[model_name].get(defect, 0) for model_name in TABLES}}
        for defect in defects
    ]
    log_table("sample-planted", rows, "Planted defects: number of rows")
