"""An HTML report on a scored batch: emotions, confidences, drift, example faces, and records without a face."""

import base64
import html
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES
from faces.plots.face_grid import faces_figure
from faces.plots.scoring import confidence_figure, emotions_figure
from faces.scoring.drift import Reference
from faces.scoring.face_crops import image_to_crop
from params import Score
from tasks.common.errors import Unreachable, UnreadableInput
from tasks.common.files import InputError, readable, replacing, source_of
from tasks.orchestration.artifacts import log, log_figure
from tasks.orchestration.decorators import task
from tasks.readers.records import read_records
from tasks.scoring.drift_check import FILE, count_values
from tasks.scoring.face_crops import crop_boxes, load_image

MAX_FACES, MAX_REASONS = 24, 20
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; display: block }
table { border-collapse: collapse } th, td { padding: 0.2rem 0.8rem; text-align: left }
tr + tr td { border-top: 1px solid #ddd } .pair { display: flex; flex-wrap: wrap } .pair img { width: 49% }
"""


@task
def write_report(out: Path, reference: Reference | None, settings: Score) -> Path:
    """Write `report.html`, a self-contained page, and its two grids: a random sample and the least confident faces."""
    path = out / "predictions.parquet"
    table = pq.read_table(path, columns=["emotion", "confidence"])
    reasons = count_values(pq.read_table(out / "skipped.parquet", columns=["reason"])["reason"])
    sections = [f"<p>Faces: {len(table):,}. Sources and table rows without a face: {sum(reasons.values()):,}.</p>"]
    if len(table):
        confidence = table["confidence"].to_numpy()
        charts = (
            emotions_figure(count_values(table["emotion"]), reference.emotions if reference else {}),
            confidence_figure(confidence, settings.confidence_threshold),
        )
        sections.append(f'<div class="pair">{"".join(map(_image, charts))}</div>')
        sections += _drift_section(out / FILE)
        random_sample = np.sort(np.random.default_rng(0).permutation(len(table))[:MAX_FACES])
        least_confident = np.argsort(confidence, kind="stable")[:MAX_FACES]
        grids = (
            (random_sample, f"Random sample of {len(random_sample)} faces", "faces"),
            (least_confident, "Faces with the lowest confidence", "least-sure"),
        )
        for numbers, title, name in grids:
            if _draw_grid(_rows(path, numbers), title, out / f"{name}.png", settings):
                sections.append(_embedded((out / f"{name}.png").read_bytes()))
    if reasons:
        most = sorted(reasons.items(), key=lambda entry: -entry[1])[:MAX_REASONS]
        shown = pd.DataFrame(most, columns=["reason", "count"]).to_html(index=False, border=0)
        sections.append(f"<h2>Sources and table rows without a face</h2>{shown}")
    title = html.escape(readable(f"Scoring report: {out}"))
    with replacing(out / "report.html") as temporary:
        temporary.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
            f"<h1>{title}</h1>{''.join(sections)}</html>\n",
            encoding="utf-8",
        )
    return out / "report.html"


@task
def draw_predictions(out: Path, settings: Score, figure: Path) -> None:
    """Write and log a grid of faces with keypoints and emotion, evenly spaced in the table.

    Raises InputError if no source can still be read.
    """
    path = out / "predictions.parquet"
    num_faces = pq.read_metadata(path).num_rows
    shown = np.linspace(0, num_faces - 1, min(settings.num_examples, num_faces)).astype(int)
    title = "Predictions: 15 keypoints and an emotion for every face"
    if not _draw_grid(_rows(path, shown), title, figure, settings):
        raise InputError(f"{figure}: no face can be read from the scored sources any more; score again")


def _rows(path: Path, numbers: np.ndarray) -> pd.DataFrame:
    """The rows of a table with these numbers, in their order, one batch in memory at a time."""
    columns = ["source", "row", "box_x", "box_y", "box_size", "emotion", "confidence", *COORDINATES]
    found, start = [], 0
    with pq.ParquetFile(path, pre_buffer=False) as table:
        for batch in table.iter_batches(columns=columns):
            wanted = numbers[(numbers >= start) & (numbers < start + len(batch))]
            found.append(batch.take(wanted - start).to_pandas().set_axis(wanted))
            start += len(batch)
    return pd.concat(found).loc[numbers]


def _draw_grid(rows: pd.DataFrame, title: str, figure: Path, settings: Score) -> bool:
    """Write and log faces with keypoints and emotions; False if no source can still be read."""
    images, rows = cropped_faces(rows, settings)
    if not len(rows):
        return False
    in_image = rows[list(COORDINATES)].to_numpy(float).reshape(-1, 15, 2)
    keypoints = image_to_crop(in_image, rows[["box_x", "box_y", "box_size"]].to_numpy(float), images.shape[1])
    captions = [
        f"{emotion} {confidence:.0%}" for emotion, confidence in zip(rows["emotion"], rows["confidence"], strict=True)
    ]
    with replacing(figure) as temporary:
        faces_figure(images, captions, title, keypoints).savefig(temporary, dpi=110)
    log_figure(figure.stem, figure, title)
    return True


def cropped_faces(rows: pd.DataFrame, settings: Score) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops (n, 96, 96) uint8 of predicted faces, read from their sources again, and the rows that could be read."""
    images: dict[object, np.ndarray] = {}
    for source, requested in rows.groupby("source", sort=False):
        missing = set(requested["row"])
        try:
            for record in read_records(source_of(str(source))):
                if record.row in missing:
                    of_record = requested[requested["row"] == record.row]
                    boxes = of_record[["box_x", "box_y", "box_size"]].to_numpy(float)
                    crops = crop_boxes(load_image(record, settings), boxes, SIZES["keypoints"])
                    images.update(zip(of_record.index, crops, strict=True))
                    missing.remove(record.row)
                if not missing:
                    break
            if not set(requested.index) <= images.keys():
                log(f"{source}: some of its rows no longer exist; their faces are not shown")
        except (UnreadableInput, Unreachable) as error:
            log(f"{source}: its faces are not shown ({error})")
    kept = rows[rows.index.isin(images)]
    return np.array([images[index] for index in kept.index]), kept


def _drift_section(path: Path) -> list[str]:
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    table = pd.DataFrame(content["properties"]).drop(columns="drifted")
    summary = f"drift of {', '.join(content['drifted'])}" if content["drifted"] else "no drift"
    shown = table.to_html(index=False, border=0, float_format=lambda value: f"{value:.2g}")
    return [f"<h2>Comparison with the reference data: {html.escape(summary)}</h2>{shown}"]


def _image(figure: Figure) -> str:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return _embedded(content.getvalue())


def _embedded(png: bytes) -> str:
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
