"""A scored folder with any faces, without a model: tables as scoring writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import params
from faces.common.schema import COORDINATES
from faces.scoring.quality_flags import FLAGS
from tests.conftest import ROOT

CLASSES = ["anger", "happiness", "sad"]
SETTINGS = params.load(ROOT).score


def write_scored(
    out: Path,
    sources: Sequence[str],
    boxes: Sequence[Sequence[float]] | None = None,
    skipped: Sequence[tuple[str, int, str]] = (),
    **columns: Any,
) -> Path:
    """Both tables of one face per source; `columns` replace or add some."""
    count = len(sources)
    shares = np.random.default_rng(count).dirichlet(np.ones(len(CLASSES)), count).astype(np.float32)
    box = np.array(boxes if boxes is not None else [[10, 20, 40]] * count, np.float32).reshape(count, 3)
    points = box[:, None, :2] + box[:, None, 2:] * np.linspace(0.2, 0.8, 15)[None, :, None]
    table = pd.DataFrame({"source": list(sources), "row": 0, "face": 1})
    table[["box_x", "box_y", "box_size"]] = box
    table["angle"] = np.float32(0)
    table["emotion"], table["confidence"] = np.array(CLASSES)[shares.argmax(axis=1)], shares.max(axis=1)
    table[[f"probability_{name}" for name in CLASSES]] = shares
    table[list(COORDINATES)] = points.reshape(count, 30).astype(np.float32)
    table["abstained"] = table["confidence"] < 0.4
    table[list(FLAGS)] = False
    table["model_version"] = "v1.0.0"
    out.mkdir(parents=True)
    pq.write_table(pa.Table.from_pandas(table.assign(**columns), preserve_index=False), out / "predictions.parquet")
    kinds = pa.schema([("source", pa.string()), ("row", pa.int64()), ("reason", pa.string())])
    rows = [dict(zip(kinds.names, row, strict=True)) for row in skipped]
    pq.write_table(pa.Table.from_pylist(rows, kinds), out / "skipped.parquet")
    return out
