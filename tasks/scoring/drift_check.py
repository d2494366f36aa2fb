"""Compares scored faces with the reference data: the faces that the models were evaluated on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import params
from faces.scoring.drift import MIN_FACES, Drift, Reference, measure_drift
from tasks.common.files import readable, replacing
from tasks.models.approved_models import ApprovedModels
from tasks.orchestration.artifacts import counted, emit, log, log_table
from tasks.orchestration.decorators import task

FILE = "drift.json"
EVENT = "faces.drift"
OUTCOMES = {True: "DRIFTED", False: "no", None: "not judged"}


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """Counts of the values of a text column, sorted by value."""
    counts = {str(entry["values"]): int(entry["counts"]) for entry in column.value_counts().to_pylist()}
    return dict(sorted(counts.items()))


def not_judged(num_faces: int) -> str:
    """Why drift of so many faces is not judged; empty if it is."""
    if num_faces >= MIN_FACES:
        return ""
    return f"drift is not judged: {counted(num_faces, 'face is', 'faces are')} fewer than {MIN_FACES}"


@task
def watch_drift(out: Path, approved: ApprovedModels, settings: params.Drift, version: str) -> None:
    """Write `drift.json` and log the table; if a property drifted, log it and emit the event `faces.drift`, once.

    `version` names the models. Faces of images and of rows of tables are compared apart if they were predicted with
    different classes. Fewer than MIN_FACES faces are compared and not judged. Nothing is compared if no face was found,
    or without reference data, which gate results of earlier versions do not hold.
    """
    if approved.reference is None:
        log("drift: the gate result of these models holds no reference data; nothing is compared")
        return
    table = pq.read_table(out / "predictions.parquet", columns=["row", "emotion", *approved.reference.quantiles])
    if not len(table):
        return
    results = [
        drift for faces, reference, of in _groups(table, approved) for drift in _drift(faces, reference, settings, of)
    ]
    drifted = [result.property for result in results if result.drifted]
    rows = [result._asdict() for result in results]
    shown = [{**row, "drifted": OUTCOMES[row["drifted"]]} for row in rows]
    unjudged = not_judged(len(table))
    title = f"Drift of {counted(len(table), 'face')} from the reference data: {out / FILE}"
    log_table("drift", shown, f"{title}; {unjudged}" if unjudged else title)
    if unjudged:
        log(unjudged)
    if drifted:
        log(f"DRIFT of {', '.join(drifted)}: these faces differ from the reference data")
    # A resumed run must not start a second training; one that was killed here must start the first.
    if drifted and not (out / FILE).exists():
        emit(EVENT, {"folder": readable(str(out)), "models": version, "faces": len(table), "drifted": drifted})
    with replacing(out / FILE) as temporary:
        content = {"drifted": drifted, "judged": not unjudged, "faces": len(table), "min_faces": MIN_FACES}
        content |= {"models": version, "properties": rows}
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _groups(table: pa.Table, approved: ApprovedModels) -> Iterator[tuple[pa.Table, Reference, str]]:
    """The faces that have reference data in common, that data, and in words what they are if there are two groups."""
    groups = [(table, approved.reference, "")]
    if approved.tables:
        is_row = pc.greater(table["row"], 0)
        groups = [
            (table.filter(pc.invert(is_row)), approved.reference, " of images"),
            (table.filter(is_row), approved.tables.reference, " of rows of tables"),
        ]
    found = [group for group in groups if len(group[0])]
    for faces, reference, of in found:
        if reference:
            yield faces, reference, of if len(found) > 1 else ""


def _drift(faces: pa.Table, reference: Reference, settings: params.Drift, of: str) -> list[Drift]:
    properties = {name: faces[name].to_numpy() for name in reference.quantiles}
    found = measure_drift(reference, count_values(faces["emotion"]), properties, **settings.model_dump())
    return [drift._replace(property=f"{drift.property}{of}") for drift in found]
