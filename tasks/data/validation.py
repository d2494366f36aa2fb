"""Judges the raw tables against their contracts and parts the good rows from the bad."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.pixel_text import SIZES, decode_images
from faces.common.schema import COORDINATES, class_name
from faces.data.row_checks import emotion_facts, keypoint_facts, numbers
from params import Validate
from tasks.common.csv_escaping import write_cells
from tasks.common.files import InputError, replacing
from tasks.data.expectations import emotion_contract, keypoint_contract, run_suite
from tasks.data.validation_report import broken_rules, outcome, reasons_by_row, too_many_bad
from tasks.orchestration.api import leave_table, log, task
from tasks.readers.raw_csv import OPTIONAL, PIXELS, read_raw


@task
def judge_table(head: str, raw: Path, settings: Validate, report: Path, docs: Path) -> Path:
    """Run the table's suite; writes the findings (reasons, severities, failing rows) and Data Docs."""
    log(f"{head}: reading {raw}")
    facts = pd.concat(list(_facts(head, raw, settings)), ignore_index=True)
    contract = emotion_contract(settings.emotion) if head == "emotion" else keypoint_contract(settings.keypoints)
    log(f"{head}: judging {len(facts)} rows by {len(contract)} expectations")
    findings = run_suite(head, contract, facts, docs)
    with replacing(report) as temporary:
        temporary.write_text(json.dumps({"table": str(raw), "rows": len(facts), "findings": findings}, indent=1))
    return report


@task
def set_aside(head: str, raw: Path, findings: Path, settings: Validate, valid: Path, quarantine: Path) -> Path:
    """Write the good rows, decoded, to `valid`, and the bad ones, as they stood and with every reason, to `quarantine`.

    Raises InputError, with all that is wrong, where the table breaks a rule of its own, or more than `max_quarantined`
    of its rows are bad, or all. The quarantine stands then too, so that the rows can be mended.
    """
    report = json.loads(findings.read_text())
    reasons = reasons_by_row(report["findings"])
    with replacing(valid) as good:
        with replacing(quarantine) as bad:
            kept, aside = _part_rows(head, raw, settings, reasons, good, bad)
        if kept + aside != report["rows"] or aside != len(reasons):
            raise AssertionError(f"{head}: {report['rows']} raw rows, but {kept} valid and {aside} quarantined")
        if complaints := [
            *broken_rules(report),
            *too_many_bad(report["rows"], reasons, settings.max_quarantined, quarantine),
        ]:
            raise InputError(f"{raw} cannot be used:\n" + "\n".join(complaints))
    log(f"{head}: {report['rows']} raw = {kept} valid + {aside} quarantined")
    return valid


@task
def report_quality(findings: dict[str, Path], valid: dict[str, Path], summary: Path) -> Path:
    """Write and leave the data-quality summary: rows, each rule and how many rows break it, and the classes.

    A head that is not in `valid` was refused.
    """
    content, rules = {}, []
    for head, path in findings.items():
        report = json.loads(path.read_text())
        aside = reasons_by_row(report["findings"])
        content[head] = {
            "raw": report["rows"],
            "valid": pq.read_metadata(valid[head]).num_rows if head in valid else "refused",
            "quarantined": len(aside),
            "reasons": dict(Counter(reason for each in aside.values() for reason in each)),
        }
        rules += [{"head": head, **outcome(finding)} for finding in report["findings"]]
    if "emotion" in valid:
        emotions = pd.read_parquet(valid["emotion"], columns=["emotion"])["emotion"]
        content["emotion"]["classes"] = emotions.value_counts().to_dict()
    with replacing(summary) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
    counts = [
        {"head": head, **{key: each[key] for key in ("raw", "valid", "quarantined")}} for head, each in content.items()
    ]
    leave_table("data-counts", counts, "Rows: raw = valid + quarantined")
    leave_table("data-quality", rules, "Data quality: rows that break each rule")
    return summary


def _facts(head: str, raw: Path, settings: Validate) -> Iterator[pd.DataFrame]:
    for chunk in read_raw(raw, head):
        yield emotion_facts(chunk, settings.emotion.label_set) if head == "emotion" else keypoint_facts(chunk)


def _part_rows(
    head: str, raw: Path, settings: Validate, reasons: dict[int, list[str]], good: Path, bad: Path
) -> tuple[int, int]:
    """How many rows went to `good` and to `bad`, a chunk at a time: neither text nor pixels are held as a whole."""
    kept = aside = 0
    with _parquet(good) as write, bad.open("w", newline="", encoding="utf-8") as text:
        for chunk in read_raw(raw, head):
            is_bad = chunk["row"].isin(reasons.keys())
            table = chunk[is_bad]
            table.insert(1, "reasons", ["; ".join(reasons[row]) for row in table["row"]])
            write_cells(table, text, header=text.tell() == 0)
            decoded = _decoded(head, chunk[~is_bad], settings.emotion.label_set)
            write(decoded)
            kept, aside = kept + len(decoded), aside + len(table)
    return kept, aside


@contextmanager
def _parquet(path: Path) -> Iterator:
    """What appends tables of like columns to a Parquet file."""
    writer: pq.ParquetWriter | None = None

    def write(table: pd.DataFrame) -> None:
        nonlocal writer
        if table.empty:
            return  # without a row, a column of text or bytes has no type
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, arrow.schema)
        writer.write_table(arrow)

    try:
        yield write
    finally:
        if writer:
            writer.close()


def _decoded(head: str, raw: pd.DataFrame, label_set: str) -> pd.DataFrame:
    """Good rows as typed columns: `row`, `pixels` (bytes, row-major), and the labels."""
    images, usable = decode_images(raw[PIXELS[head]].tolist(), SIZES[head])
    if not usable.all():
        raise AssertionError(f"{head}: the rules let row {raw['row'][~usable].iloc[0]} pass, but it cannot be decoded")
    table = pd.DataFrame({"row": raw["row"].to_numpy(), "pixels": [image.tobytes() for image in images]})
    if head == "emotion":
        table["emotion"] = pd.Series([class_name(text, label_set) for text in raw["emotion"]], dtype="str")
    else:
        table[list(COORDINATES)] = raw[list(COORDINATES)].apply(numbers).to_numpy(np.float32)
    for optional in OPTIONAL[head]:
        if optional in raw:
            table[optional.lower()] = raw[optional].str.strip().to_numpy("str")
    return table
