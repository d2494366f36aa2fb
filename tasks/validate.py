"""Judges the raw tables against their contracts and parts the good rows from the bad."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from faces.facts import FACTS, numbers
from faces.labels import COORDINATES, LABEL_SETS
from faces.pixels import SIZES, as_image, parse_pixels
from params import Validate
from tasks.files import InputError, replacing
from tasks.orchestration import leave_table, log, task
from tasks.suites import emotion_expectations, keypoint_expectations, run_suite
from tasks.tables import PIXELS, read_raw


@task
def judge_table(head: str, raw: Path, settings: Validate, report: Path, docs: Path) -> Path:
    """Run the table's suite; writes the findings (reasons, severities, failing rows) and Data Docs."""
    log(f"{head}: reading {raw}")
    facts = pd.concat([FACTS[head](chunk) for chunk in read_raw(raw, head)], ignore_index=True)
    if head == "emotion":
        expectations = emotion_expectations(settings.emotion.min_rows, settings.emotion.label_set)
    else:
        expectations = keypoint_expectations(settings.keypoints.min_rows)
    log(f"{head}: judging {len(facts)} rows by {len(expectations)} expectations")
    findings = run_suite(head, expectations, facts, docs)
    with replacing(report) as temporary:
        temporary.write_text(json.dumps({"table": str(raw), "rows": len(facts), "findings": findings}, indent=1))
    for finding in findings:
        if finding["severity"] == "critical" and not finding["passed"]:
            raise InputError(f"{raw}: {finding['reason']} ({len(facts)} found); give a larger table")
    return report


@task
def set_aside(head: str, raw: Path, findings: Path, settings: Validate, valid: Path, quarantine: Path) -> Path:
    """Write the good rows, decoded, to `valid`, and the bad ones, as they stood and with every reason, to `quarantine`.

    Raises InputError where more than `max_quarantined` of the rows are bad, or all.
    """
    reasons = reasons_by_row(json.loads(findings.read_text())["findings"])
    good, bad, rows = [], [], 0
    for chunk in read_raw(raw, head):
        is_bad = chunk["row"].isin(reasons.keys())
        bad.append(chunk[is_bad])
        good.append(_decoded(head, chunk[~is_bad], settings.emotion.label_set))
        rows += len(chunk)
    aside, kept = pd.concat(bad), pd.concat(good, ignore_index=True)
    if len(aside) + len(kept) != rows:
        raise AssertionError(f"{head}: {rows} raw rows, but {len(kept)} valid and {len(aside)} quarantined")
    aside.insert(1, "reasons", ["; ".join(reasons[row]) for row in aside["row"]])
    with replacing(quarantine) as temporary:
        aside.to_csv(temporary, index=False)
    _refuse_too_many(raw, rows, reasons, settings.max_quarantined, quarantine)
    with replacing(valid) as temporary:
        kept.to_parquet(temporary, index=False)
    log(f"{head}: {rows} raw = {len(kept)} valid + {len(aside)} quarantined")
    return valid


@task
def report_quality(findings: dict[str, Path]) -> None:
    """Leave the data-quality table: each rule and how many rows break it."""
    rows = []
    for head, path in findings.items():
        report = json.loads(path.read_text())
        for finding in report["findings"]:
            outcome = "holds" if finding["passed"] else "broken"
            rows.append({"head": head, "rule": finding["reason"], "rows": len(finding["rows"]), "rule holds": outcome})
    leave_table("data-quality", rows, "Data quality: rows that break each rule")


def reasons_by_row(findings: list[dict]) -> dict[int, list[str]]:
    """Every reason for which a row is set aside, by row number."""
    reasons: dict[int, list[str]] = {}
    for finding in findings:
        if finding["severity"] == "warning":
            for row in finding["rows"]:
                reasons.setdefault(row, []).append(finding["reason"])
    return {row: list(dict.fromkeys(each)) for row, each in sorted(reasons.items())}


def _refuse_too_many(raw: Path, rows: int, reasons: dict[int, list[str]], allowed: float, quarantine: Path) -> None:
    share = len(reasons) / rows
    if share <= allowed and len(reasons) < rows:
        return
    top = Counter(reason for each in reasons.values() for reason in each).most_common(3)
    first = {reason: next(row for row, each in reasons.items() if reason in each) for reason, _ in top}
    listed = "\n".join(f"  {count} rows, first row {first[reason]}: {reason}" for reason, count in top)
    remedy = "" if len(reasons) == rows else ", or raise validate.max_quarantined"
    raise InputError(
        f"{raw}: {len(reasons)} of {rows} rows ({share:.1%}) are bad; validate.max_quarantined allows {allowed:.1%}, "
        f"and never all:\n{listed}\nMend them (they stand in {quarantine}){remedy}."
    )


def _decoded(head: str, raw: pd.DataFrame, label_set: str) -> pd.DataFrame:
    """Good rows as typed columns: `row`, `pixels` (bytes, row-major), and the labels."""
    images = [as_image(parse_pixels(text), SIZES[head]) for text in raw[PIXELS[head]]]
    table = pd.DataFrame({"row": raw["row"], "pixels": [image.tobytes() for image in images if image is not None]})
    if head == "emotion":
        names = np.array(LABEL_SETS[label_set])
        table["emotion"] = names[numbers(raw["emotion"]).astype(int)]
    else:
        table = table.join(raw[list(COORDINATES)].apply(numbers).astype(np.float32))
    for optional in ("person", "Usage"):
        if optional in raw:
            table[optional.lower()] = raw[optional].str.strip()
    return table
