"""One page about a scored batch, to be looked at in a browser: what was said, how surely, and of which faces."""

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
from faces.scoring.face_crops import taken_out
from params import Score
from tasks.common.errors import Unreachable, Unusable
from tasks.common.files import readable, replacing, source_of
from tasks.orchestration.api import leave_picture, log, task
from tasks.readers.records import items_of
from tasks.scoring.drift_check import FILE, counted
from tasks.scoring.face_crops import cut_squares, picture_of

SHOWN, REASONS = 24, 20
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; display: block }
table { border-collapse: collapse } th, td { padding: 0.2rem 0.8rem; text-align: left }
tr + tr td { border-top: 1px solid #ddd } .pair { display: flex; flex-wrap: wrap } .pair img { width: 49% }
"""


@task
def write_page(out: Path, usual: Reference | None, settings: Score) -> Path:
    """Write `page.html`, which needs no other file: emotions, confidences, drift, faces by lot and the least sure."""
    path = out / "predictions.parquet"
    table = pq.read_table(path, columns=["emotion", "confidence"])
    reasons = counted(pq.read_table(out / "skipped.parquet", columns=["reason"])["reason"])
    parts = [f"<p>Faces: {len(table):,}. Sources, or rows of tables, without one: {sum(reasons.values()):,}.</p>"]
    if len(table):
        confidence = table["confidence"].to_numpy()
        charts = (
            emotions_figure(counted(table["emotion"]), usual.emotions if usual else {}),
            confidence_figure(confidence, settings.min_confidence),
        )
        parts.append(f'<div class="pair">{"".join(map(_image, charts))}</div>')
        parts += _drift(out / FILE)
        by_lot = np.sort(np.random.default_rng(0).permutation(len(table))[:SHOWN])
        least = np.argsort(confidence, kind="stable")[:SHOWN]
        parts += _grid(_rows(path, by_lot), f"{len(by_lot)} of the faces, by lot", out / "faces.png", settings)
        parts += _grid(_rows(path, least), "The least sure", out / "least-sure.png", settings)
    if reasons:
        most = sorted(reasons.items(), key=lambda item: -item[1])[:REASONS]
        shown = pd.DataFrame(most, columns=["reason", "how many"]).to_html(index=False, border=0)
        parts.append(f"<h2>Without a face</h2>{shown}")
    title = html.escape(readable(f"Scored: {out}"))
    with replacing(out / "page.html") as temporary:
        temporary.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
            f"<h1>{title}</h1>{''.join(parts)}</html>\n",
            encoding="utf-8",
        )
    return out / "page.html"


def _rows(path: Path, numbers: np.ndarray) -> pd.DataFrame:
    """Some rows of a table, by their numbers and in their order, a group of rows in memory at a time."""
    columns = ["source", "row", "left", "top", "side", "emotion", "confidence", *COORDINATES]
    found, start = [], 0
    with pq.ParquetFile(path, pre_buffer=False) as table:
        for batch in table.iter_batches(columns=columns):
            wanted = numbers[(numbers >= start) & (numbers < start + len(batch))]
            found.append(batch.take(wanted - start).to_pandas().set_axis(wanted))
            start += len(batch)
    return pd.concat(found).loc[numbers]


def _grid(rows: pd.DataFrame, title: str, picture: Path, settings: Score) -> list[str]:
    """Faces with points and emotions, as a picture too; nothing where no source can be read any more."""
    images, rows = faces_of(rows, settings)
    if not len(rows):
        return []
    points = rows[list(COORDINATES)].to_numpy(float).reshape(-1, 15, 2)
    own = taken_out(points, rows[["left", "top", "side"]].to_numpy(float), images.shape[1])
    captions = [f"{name} {sure:.0%}" for name, sure in zip(rows["emotion"], rows["confidence"], strict=True)]
    figure = faces_figure(images, captions, title, own)
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=110)
    leave_picture(picture.stem, picture, title)
    return [_image(figure)]


def faces_of(rows: pd.DataFrame, settings: Score) -> tuple[np.ndarray, pd.DataFrame]:
    """The faces (n, 96, 96) of rows of predictions, cut out of their sources anew, and those of the rows that are."""
    images: dict[object, np.ndarray] = {}
    for source, wanted in rows.groupby("source", sort=False):
        try:
            for item in items_of(source_of(str(source))):
                few = wanted[wanted["row"] == item.row]
                if len(few):
                    squares = few[["left", "top", "side"]].to_numpy(float)
                    cut = cut_squares(picture_of(item, settings), squares, SIZES["keypoints"])
                    images.update(zip(few.index, cut, strict=True))
                if item.row >= wanted["row"].max():
                    break
            if not set(wanted.index) <= images.keys():
                log(f"{source}: not all of its rows are there any more; those faces are not shown")
        except (Unusable, Unreachable) as error:
            log(f"{source}: its faces are not shown ({error})")
    kept = rows[rows.index.isin(images)]
    return np.array([images[index] for index in kept.index]), kept


def _drift(path: Path) -> list[str]:
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    table = pd.DataFrame(found["properties"]).drop(columns="drifted")
    said = f"drifted: {', '.join(found['drifted'])}" if found["drifted"] else "nothing has drifted"
    shown = table.to_html(index=False, border=0, float_format=lambda value: f"{value:.2g}")
    return [f"<h2>Beside the faces that the networks were judged on: {html.escape(said)}</h2>{shown}"]


def _image(figure: Figure) -> str:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}">'
