"""Compares scored faces with the reference data: the faces that the models were evaluated on."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import params
from faces.scoring.drift import MIN_FACES, Reference, measure_drift
from tasks.common.files import readable, replacing
from tasks.orchestration.artifacts import counted, emit, log, log_table
from tasks.orchestration.decorators import task
from tasks.video.track_table import has_frames

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


def _compared(path: Path, columns: list[str]) -> pa.Table:
    """The faces that are compared: of a video one of each track, since all of them are of one person."""
    if not has_frames(path):
        return pq.read_table(path, columns=columns)
    table = pq.read_table(path, columns=[*columns, "source", "track"])
    tracks = table.select(["source", "track"]).to_pandas().groupby(["source", "track"])
    # The middle one of each track; rows without a track are in no group.
    is_compared = (tracks.cumcount() == tracks["track"].transform("size") // 2) | table["track"].is_null().to_numpy()
    return table.select(columns).filter(pa.array(is_compared))


@task
def watch_drift(out: Path, reference: Reference | None, settings: params.Drift, version: str) -> None:
    """Write `drift.json` and log the table; if a property drifted, log it and emit the event `faces.drift`, once.

    `version` names the models. Fewer than MIN_FACES faces are compared and not judged. Nothing is compared if no face
    was found, or if `reference` is None: gate results of earlier versions hold no reference data.
    """
    if reference is None:
        log("drift: the gate result of these models holds no reference data; nothing is compared")
        return
    table = _compared(out / "predictions.parquet", ["emotion", *reference.quantiles])
    if not len(table):
        return
    emotions = count_values(table["emotion"])
    properties = {name: table[name].to_numpy() for name in reference.quantiles}
    results = measure_drift(reference, emotions, properties, **settings.model_dump())
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
