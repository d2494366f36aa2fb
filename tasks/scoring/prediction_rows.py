"""The rows of the tables of predictions, from the crops of a shard and the outputs of the models."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from faces.common.pixel_text import SIZES
from faces.scoring.alignment import aligned_crops
from faces.scoring.drift import pixel_properties
from faces.scoring.face_crops import crop_to_image
from faces.scoring.prediction_table import prediction_table, spread_classes
from faces.scoring.quality_flags import FLAGS, Bounds, quality_flags
from params import Score
from tasks.models.approved_models import ApprovedModels
from tasks.models.inference_engine import TABLES, Predictor
from tasks.scoring.face_crops import BOX, Crops


class ModelInfo(NamedTuple):
    """What every row records about the models: predicted classes, model version, and SHA-256 by column name.

    `table_classes` are the fewer classes that rows of tables are predicted with; None if they are the same.
    """

    classes: list[str]
    version: str
    hashes: dict[str, str]
    table_classes: list[str] | None = None


class Rows(NamedTuple):
    """`predictions`, one row per face, and `skipped`, one row per record without a face."""

    predictions: pa.Table
    skipped: pa.Table


def model_info(approved: ApprovedModels, version: str) -> ModelInfo:
    """The predicted classes, version and file hashes of approved models."""
    hashes = {f"{model_name}_sha256": found for model_name, found in approved.hashes.items()}
    return ModelInfo(approved.classes, version, hashes, approved.tables.classes if approved.tables else None)


def predict_rows(crops: Crops, predict: Predictor, info: ModelInfo, settings: Score) -> Rows:
    """The rows of `prediction_rows`; the emotion of a detected face is that of its crop by keypoints."""
    if not len(crops.detected):
        return prediction_rows(crops, predict(crops.images), info, settings)
    keypoints = predict({"keypoints": crops.images["keypoints"]})
    emotion = crops.images["emotion"].copy()
    emotion[crops.detected] = aligned_crops(crops.patches, keypoints["keypoints"][crops.detected], SIZES["emotion"])
    crops = crops._replace(images=crops.images | {"emotion": emotion})
    return prediction_rows(crops, keypoints | predict({"emotion": emotion}), info, settings)


def prediction_rows(crops: Crops, outputs: dict[str, np.ndarray], info: ModelInfo, settings: Score) -> Rows:
    """The box of each face, its emotion, keypoints in pixels of its source, quality flags, and model version.

    `outputs` are those of `inference_engine.make_predictor`. Probabilities of classes that were not asked for are NaN.
    """
    boxes = crops.detections[BOX].to_numpy(float)
    keypoints = crop_to_image(outputs["keypoints"], boxes, SIZES["keypoints"])
    rows, probabilities = crops.detections["row"].to_numpy(), outputs["emotion"]
    if info.table_classes:
        fewer = spread_classes(outputs[TABLES], info.table_classes, info.classes)
        probabilities = np.where(rows[:, None] > 0, fewer, probabilities)
    table = prediction_table(rows, probabilities, info.classes, keypoints)
    table = pd.concat([crops.detections, table.drop(columns="row")], axis=1)
    abstained = table["confidence"] < settings.confidence_threshold
    properties = pixel_properties(crops.images["emotion"])
    flags = quality_flags(crops.images["keypoints"], boxes[:, 2], Bounds(**settings.quality.model_dump()))
    table = table.assign(abstained=abstained, **flags, **properties, model_version=info.version, **info.hashes)
    return Rows(_arrow(table), _arrow(crops.skipped))


def _arrow(table: pd.DataFrame) -> pa.Table:
    rows = pa.Table.from_pandas(table, _schema(table.columns), preserve_index=False)
    # The metadata that pandas adds depends on the values of the columns.
    return rows.replace_schema_metadata()


def _schema(columns: Iterable[str]) -> pa.Schema:
    """The schema of columns; it is the same for every shard, also for an empty one."""

    def type_of(name: str) -> pa.DataType:
        if name in ("row", "face"):
            return pa.int64()
        if name in FLAGS or name == "abstained":
            return pa.bool_()
        is_text = name in ("source", "reason", "emotion", "model_version") or name.endswith("_sha256")
        return pa.string() if is_text else pa.float32()

    return pa.schema([(name, type_of(name)) for name in columns])
