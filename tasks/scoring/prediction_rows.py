"""A shard's faces, judged: the rows that they become."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from faces.common.pixel_text import SIZES
from faces.scoring.drift import pixel_properties
from faces.scoring.face_crops import put_back
from faces.scoring.prediction_table import prediction_table
from faces.scoring.quality_flags import FLAGS, Bounds, quality_flags
from params import Score
from tasks.common.files import sha256
from tasks.models.approved_models import Judged
from tasks.scoring.face_crops import Cut


class About(NamedTuple):
    """What every row says of the networks: their classes, what they are called, and their SHA-256 by head."""

    classes: list[str]
    version: str
    hashes: dict[str, str]


class Rows(NamedTuple):
    """`predictions`, a row a face, and `skipped`, a row an item without one."""

    predictions: pa.Table
    skipped: pa.Table


def about(judged: Judged, version: str) -> About:
    """Of the networks as they are on this machine."""
    return About(judged.classes, version, {f"{head}_sha256": sha256(path) for head, path in judged.paths.items()})


def rows_of(cut: Cut, outputs: dict[str, np.ndarray], networks: About, settings: Score) -> Rows:
    """Where each face is, its emotion and points in pixels of its source, its flags, and the networks."""
    squares = cut.places[["left", "top", "side"]].to_numpy(float)
    points = put_back(outputs["keypoints"], squares, SIZES["keypoints"])
    table = prediction_table(cut.places["row"].to_numpy(), outputs["emotion"], networks.classes, points)
    table = pd.concat([cut.places, table.drop(columns="row")], axis=1)
    abstained = table["confidence"] < settings.min_confidence
    properties = pixel_properties(cut.images["emotion"])
    flags = quality_flags(cut.images["keypoints"], squares[:, 2], Bounds(**settings.quality.model_dump()))
    table = table.assign(abstained=abstained, **flags, **properties, version=networks.version, **networks.hashes)
    return Rows(_arrow(table), _arrow(cut.skipped))


def _arrow(table: pd.DataFrame) -> pa.Table:
    rows = pa.Table.from_pandas(table, _schema(table.columns), preserve_index=False)
    # What pandas notes of its columns depends on what is in them.
    return rows.replace_schema_metadata()


def _schema(columns: Iterable[str]) -> pa.Schema:
    """The same whatever a shard holds, be it nothing."""

    def kind(name: str) -> pa.DataType:
        if name in ("row", "face"):
            return pa.int64()
        if name in FLAGS or name == "abstained":
            return pa.bool_()
        texts = name in ("source", "reason", "emotion", "version") or name.endswith("_sha256")
        return pa.string() if texts else pa.float32()

    return pa.schema([(name, kind(name)) for name in columns])
