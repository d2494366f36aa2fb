"""Runs both networks over a batch: one row a face."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.geometry import resize_images, resize_points
from faces.common.pixel_text import SIZES, decode_images
from faces.common.schema import COORDINATES
from faces.plots.face_grid import faces_figure
from faces.scoring.prediction_table import prediction_table
from tasks.common.dataset import load_part
from tasks.common.files import InputError, replacing, sha256
from tasks.models.approved_models import Judged
from tasks.models.inference_engine import predictor_of
from tasks.orchestration.api import Progress, leave_picture, leave_table, log, task
from tasks.readers.raw_csv import PIXELS, header, read_raw

BATCH = 512
MOST_PIXELS = 2 * 2**30
"""Of all faces of `score.input`, which are held in memory."""


def require_new(out: Path) -> None:
    """Raises InputError where the results would take the place of files in `out`: of other networks, or a person's."""
    names = ("faces.npz", "predictions.parquet", "predictions.csv", "predictions.png")
    if there := [name for name in names if os.path.lexists(out / name)]:
        raise InputError(f"{out}: {', '.join(there)} is there already; name another folder, or remove it")


@task
def read_faces(source: Path, out: Path) -> Path:
    """Write the faces to score, `.npz`: `images` (N, H, W) uint8 and `rows` (N,); unusable rows are left out, said."""
    if source.suffix == ".npz":
        part = load_part(source)
        images, rows = part.images, part.rows
    else:
        images, rows = _from_table(source)
    if not len(images):
        raise InputError(f"{source}: no face is in it; nothing can be scored")
    with replacing(out) as temporary:
        np.savez(temporary, allow_pickle=False, images=images, rows=rows)
    return out


@task
def predict_faces(faces: Path, judged: Judged, predictions: Path) -> Path:
    """Write emotion and points of every face, points in pixels of the face as given; Parquet, and CSV beside it."""
    with np.load(faces, allow_pickle=False) as arrays:
        images, rows = arrays["images"], arrays["rows"]
    predict = predictor_of(judged.paths, judged.inference)
    progress = Progress("scoring", "faces scored")
    tables = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        outputs = predict({head: resize_images(batch, size) for head, size in SIZES.items()})
        points = resize_points(outputs["keypoints"], SIZES["keypoints"], batch.shape[1])
        tables.append(prediction_table(rows[start : start + BATCH], outputs["emotion"], judged.classes, points))
        progress.update(min(start + BATCH, len(images)) / len(images))
        log(f"scored {min(start + BATCH, len(images))} of {len(images)} faces")
    table = pa.Table.from_pandas(pd.concat(tables, ignore_index=True), preserve_index=False)
    stamps = {f"{head}_sha256": sha256(path) for head, path in judged.paths.items()}
    with replacing(predictions) as temporary, replacing(predictions.with_suffix(".csv")) as text:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **stamps}), temporary)
        table.to_pandas().to_csv(text, index=False, float_format="%.5g")
    return predictions


@task
def draw_predictions(faces: Path, predictions: Path, count: int, picture: Path) -> None:
    """Write and leave a grid of faces with points and emotion, evenly picked, and how the emotions are spread."""
    with np.load(faces, allow_pickle=False) as arrays:
        images = arrays["images"]
    table = pd.read_parquet(predictions)
    shown = np.linspace(0, len(table) - 1, min(count, len(table))).astype(int)
    points = table[list(COORDINATES)].to_numpy()[shown].reshape(-1, 15, 2)
    captions = [f"{table['emotion'][k]} {table['confidence'][k]:.0%}" for k in shown]
    grid = faces_figure(images[shown], captions, "Predictions: 15 points and an emotion for every face", points)
    with replacing(picture) as temporary:
        grid.savefig(temporary, dpi=110)
    leave_picture("predictions", picture, "predictions: points and emotion")
    spread = table.groupby("emotion")["confidence"].agg(["size", "mean"])
    emotions = zip(spread.index.tolist(), spread["size"].tolist(), spread["mean"].tolist(), strict=True)
    rows = [{"emotion": name, "faces": size, "mean confidence": mean} for name, size, mean in emotions]
    leave_table("emotions", rows, f"{len(table)} faces scored")


def _from_table(source: Path) -> tuple[np.ndarray, np.ndarray]:
    head = _layout(source)
    images, rows = [], []
    skipped: list[int] = []
    most = MOST_PIXELS // SIZES[head] ** 2
    for chunk in read_raw(source, head):
        decoded, usable = decode_images(chunk[PIXELS[head]].tolist(), SIZES[head])
        images.append(decoded)
        rows.append(chunk["row"].to_numpy()[usable])
        if (most := most - len(decoded)) < 0:
            raise InputError(
                f"{source}: too many faces for score.input; `python -m flows.score {source}` takes any number"
            )
        skipped += chunk["row"][~usable].tolist()
    if skipped:
        log(f"{source}: {len(skipped)} rows have no usable pixels and are left out, the first is row {skipped[0]}")
    if not any(map(len, images)):
        raise InputError(f"{source}: no row has {SIZES[head] ** 2} pixels of 0..255; nothing can be scored")
    return np.concatenate(images), np.concatenate(rows)


def _layout(source: Path) -> str:
    """Which raw layout a CSV has, told by its pixel column."""
    names = header(source)
    for head, column in PIXELS.items():
        if column in names:
            return head
    raise InputError(f"{source}, header: neither a column pixels (emotion) nor Image (key points); rename it")
