"""An HTML report on a scored batch: pictures and faces, emotions, confidences, drift, and records without a face."""

import json
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from faces.plots.report_page import browser, facts, image, page, table
from faces.plots.scoring import confidence_figure, emotions_figure
from faces.scoring.drift import Reference
from params import Score
from tasks.common.files import readable, replacing
from tasks.common.text_escaping import visible
from tasks.models.approved_models import ApprovedModels
from tasks.orchestration.artifacts import counted
from tasks.orchestration.decorators import task
from tasks.plots.prediction_grid import draw_grid, rows_of
from tasks.plots.report_data import classes_of, report_data, shown_name, skipped_rows
from tasks.scoring.drift_check import FILE, OUTCOMES, count_values, not_judged
from tasks.scoring.summary import count_reasons, first_sources

NUM_EXAMPLES = 24


@task
def write_report(out: Path, approved: ApprovedModels, settings: Score, left_out: str = "") -> Path:
    """Write `report.html`, a self-contained page, and its two grids: a random sample and the least confident faces.

    Its pictures open the files in `pictures/`. `approved` are the models that scored. `left_out` says in words what was
    found and not scored.
    """
    path = out / "predictions.parquet"
    scored = pq.read_table(path, columns=["row", "emotion", "confidence", "abstained", "model_version"])
    kinds = set(pc.unique(pc.greater(scored["row"], 0)).to_pylist())
    num_skipped = pq.read_metadata(out / "skipped.parquet").num_rows
    sections = [f"<p>Faces: {len(scored):,}. Images and table rows without a face: {num_skipped:,}.</p>"]
    sections.append(_summary(scored, _asked(approved, kinds), settings, left_out))
    if len(scored):
        reference = _reference(approved, kinds)
        sections += [_charts(scored, classes_of(path), reference, settings), *_drift_section(out / FILE)]
        sections.append(browser(*report_data(out)))
        sections += _examples(out, scored["confidence"].to_numpy(), settings)
    if num_skipped:
        sections.append(_skipped_section(out))
    title = shown_name(readable(f"Scoring report: {out}"))
    with replacing(out / "report.html") as temporary:
        temporary.write_text(page(title, sections), encoding="utf-8")
    return out / "report.html"


def _asked(approved: ApprovedModels, kinds: set[bool]) -> dict[str, str]:
    """The emotions that were asked for, with their title. `kinds`: whether there are images (False), rows (True)."""
    every, title = ", ".join(map(visible, approved.classes)), "Emotions asked for"
    if not approved.tables:
        return {title: every}
    of_tables = ", ".join(map(visible, approved.tables.classes))
    return {f"{title}, in images": every} | ({f"{title}, in rows of tables": of_tables} if True in kinds else {})


def _reference(approved: ApprovedModels, kinds: set[bool]) -> Reference | None:
    """The reference data of all scored faces; None if images and rows of tables have different ones."""
    if not approved.tables:
        return approved.reference
    if len(kinds) > 1:
        return None
    return approved.tables.reference if True in kinds else approved.reference


def _summary(scored: pa.Table, asked: dict[str, str], settings: Score, left_out: str) -> str:
    pairs = dict(asked)
    if len(scored):
        abstained = pc.sum(scored["abstained"]).as_py()
        pairs["Abstained"] = (
            f"{counted(abstained, 'face')} ({abstained / len(scored):.1%}), less confident than "
            f"score.confidence_threshold = {settings.confidence_threshold:g}"
        )
        pairs["Models"] = ", ".join(visible(name) for name in pc.unique(scored["model_version"]).to_pylist())
    if left_out:
        pairs["Left out, and in neither table"] = visible(left_out)
    return facts(pairs)


def _charts(scored: pa.Table, classes: list[str], reference: Reference | None, settings: Score) -> str:
    counts = dict.fromkeys(sorted(classes), 0) | count_values(scored["emotion"])
    emotions = emotions_figure(counts, reference.emotions if reference else {})
    confidence = confidence_figure(scored["confidence"].to_numpy(), settings.confidence_threshold)
    shown = _image(emotions, "Faces of each predicted emotion"), _image(confidence, "Histogram of the confidence")
    return f'<div class="pair">{"".join(shown)}</div>'


def _drift_section(path: Path) -> list[str]:
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    outcome = f"drift of {', '.join(content['drifted'])}" if content["drifted"] else "no drift"
    columns = ("property", "reference", "current", "psi", "p", "drifted")
    rows = [[row[name] for name in columns[:-1]] + [OUTCOMES[row["drifted"]]] for row in content["properties"]]
    shown = (not_judged(content["faces"]) or outcome).capitalize()
    return [f"<h2>Drift from the reference data</h2><p>{escape(shown)}.</p>{table(columns, rows)}"]


def _examples(out: Path, confidence: np.ndarray, settings: Score) -> list[str]:
    random_sample = np.sort(np.random.default_rng(0).permutation(len(confidence))[:NUM_EXAMPLES])
    least_confident = np.argsort(confidence, kind="stable")[:NUM_EXAMPLES]
    grids = (
        (random_sample, f"Random sample of {counted(len(random_sample), 'face')}", "faces"),
        (least_confident, "Faces with the lowest confidence", "least-sure"),
    )
    return [
        f'<div class="grid">{image((out / f"{name}.png").read_bytes(), title)}</div>'
        for numbers, title, name in grids
        if draw_grid(rows_of(out / "predictions.parquet", numbers), title, out / f"{name}.png", settings)
    ]


def _skipped_section(out: Path) -> str:
    reasons, first = count_reasons(out), first_sources(out)
    groups = [(visible(reason), count, shown_name(first[reason])) for reason, count in reasons.items()]
    rows, total = skipped_rows(out)
    note = f"The first {len(rows):,} of {total:,}; skipped.parquet has all of them." if len(rows) < total else ""
    each = (
        f"<details><summary>Each with its reason. {note}</summary>{table(('source', 'row', 'reason'), rows)}</details>"
    )
    return f"<h2>Images and table rows without a face</h2>{table(('reason', 'count', 'the first'), groups)}{each}"


def _image(figure: Figure, alt: str) -> str:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return image(content.getvalue(), alt)
