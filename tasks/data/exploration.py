"""Describe both valid tables, for a first review of the data."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES
from faces.common.stored_images import images_of
from faces.data.eda import describe_table, info_table
from faces.data.label_offset import describe_label_offset, symmetry
from tasks.common.files import replacing
from tasks.orchestration.artifacts import counted, log, log_table
from tasks.orchestration.decorators import task


@task
def describe(model_name: str, valid: Path, folder: Path) -> Path:
    """Write and log dtype and missing values per column, `MODEL_info.csv`, and statistics, `MODEL_describe.csv`."""
    table, images = _table_and_images(model_name, valid)
    tables = {"info": info_table(table), "describe": describe_table(table, images)}
    for name, content in tables.items():
        with replacing(folder / f"{model_name}_{name}.csv") as temporary:
            content.to_csv(temporary, index=False)
        rows = [{str(key): value for key, value in row.items()} for row in content.to_dict("records")]
        log_table(f"{name}-{model_name}", rows, f"{model_name}: {name} of {counted(len(table), 'valid row')}")
    return folder


@task
def log_label_offset(valid: Path) -> None:
    """Log how far the middle of the keypoints lies from that of the faces, which `keypoint_offset_px` corrects."""
    table, images = _table_and_images("keypoints", valid)
    points = table[list(COORDINATES)].to_numpy(np.float32).reshape(-1, 15, 2)
    log(f"keypoints: {describe_label_offset(symmetry(images, points))}")


def _table_and_images(model_name: str, valid: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_parquet(valid)
    return table, images_of(table, model_name)
