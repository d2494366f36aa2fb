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

from faces.plots.scoring import confidence_figure, emotions_figure
from faces.scoring.drift import Reference
from params import Score
from tasks.common.files import readable, replacing
from tasks.orchestration.artifacts import counted
from tasks.orchestration.decorators import task
from tasks.plots.prediction_grid import draw_grid, rows_of
from tasks.scoring.drift_check import FILE, count_values
from tasks.scoring.summary import count_reasons, first_sources

MAX_FACES = 24
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; display: block }
table { border-collapse: collapse } th, td { padding: 0.2rem 0.8rem; text-align: left }
tr + tr td { border-top: 1px solid #ddd } .pair { display: flex; flex-wrap: wrap } .pair img { width: 49% }
"""


@task
def write_report(out: Path, reference: Reference | None, settings: Score, left_out: str = "") -> Path:
    """Write `report.html`, a self-contained page, and its two grids: a random sample and the least confident faces.

    `left_out` says in words what was found and not scored.
    """
    path = out / "predictions.parquet"
    table = pq.read_table(path, columns=["emotion", "confidence"])
    reasons = count_reasons(out)
    sections = [f"<p>Faces: {len(table):,}. Images and table rows without a face: {sum(reasons.values()):,}.</p>"]
    if left_out:
        sections.append(f"<p>Left out, and in neither table: {html.escape(readable(left_out))}.</p>")
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
            (random_sample, f"Random sample of {counted(len(random_sample), 'face')}", "faces"),
            (least_confident, "Faces with the lowest confidence", "least-sure"),
        )
        for numbers, title, name in grids:
            if draw_grid(rows_of(path, numbers), title, out / f"{name}.png", settings):
                sections.append(_embedded((out / f"{name}.png").read_bytes()))
    if reasons:
        first = first_sources(out)
        rows = [(reason, count, first[reason]) for reason, count in reasons.items()]
        shown = pd.DataFrame(rows, columns=["reason", "count", "the first"]).to_html(index=False, border=0)
        sections.append(f"<h2>Images and table rows without a face</h2>{shown}")
    title = html.escape(readable(f"Scoring report: {out}"))
    with replacing(out / "report.html") as temporary:
        temporary.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
            f"<h1>{title}</h1>{''.join(sections)}</html>\n",
            encoding="utf-8",
        )
    return out / "report.html"


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
