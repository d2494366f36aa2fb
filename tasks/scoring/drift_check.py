"""How far scored faces have drifted from those that the networks were judged on."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import params
from faces.scoring.drift import Reference, drifts
from tasks.common.files import readable, replacing
from tasks.orchestration.api import emit, leave_table, log, task

FILE = "drift.json"
EVENT = "faces.drift"


def counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each text stands in a column, by the text."""
    found = column.value_counts().to_pylist()
    return {str(one["values"]): int(one["counts"]) for one in sorted(found, key=lambda one: str(one["values"]))}


@task
def watch_drift(out: Path, usual: Reference | None, settings: params.Drift, version: str) -> None:
    """Write `drift.json` and leave the table; where something drifted, say so and emit the event `faces.drift`, once.

    `version` names the networks. Nothing is compared where no face was found, or the networks' verdict is older than
    what is compared with.
    """
    if usual is None:
        log("drift: the verdict on these networks does not tell what the judged faces looked like; nothing is compared")
        return
    table = pq.read_table(out / "predictions.parquet", columns=["emotion", *usual.quantiles])
    if not len(table):
        return
    emotions = counted(table["emotion"])
    properties = {name: table[name].to_numpy() for name in usual.quantiles}
    found = drifts(usual, emotions, properties, **settings.model_dump())
    drifted = [one.property for one in found if one.drifted]
    rows = [one._asdict() for one in found]
    told = [{**row, "drifted": "DRIFTED" if row["drifted"] else "no"} for row in rows]
    leave_table("drift", told, f"{len(table):,} faces beside those that the networks were judged on: {out / FILE}")
    if drifted:
        log(f"DRIFT of {', '.join(drifted)}: these faces are unlike those that the networks were judged on")
    # A run that goes on must not start a second training; one that is killed here must start the first.
    if drifted and not (out / FILE).exists():
        emit(EVENT, {"folder": readable(str(out)), "networks": version, "faces": len(table), "drifted": drifted})
    with replacing(out / FILE) as temporary:
        content = {"drifted": drifted, "faces": len(table), "networks": version, "properties": rows}
        temporary.write_text(json.dumps(content, indent=2) + "\n")
