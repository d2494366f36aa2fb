"""Stage `validate`: good rows on, bad rows aside, with their reasons."""

from pathlib import Path

import params
from tasks.common.files import InputError
from tasks.data.validation import judge_table, report_quality, set_aside
from tasks.orchestration.api import flow


@flow
def validate() -> None:
    """Judge both raw tables; write `data/valid/`, `data/quarantine/` and `reports/validation/`."""
    settings = params.load().validate_
    reports = Path("reports/validation")
    findings, valid, refusals = {}, {}, []
    for head in params.HEADS:
        raw, quarantine = Path(f"data/raw/{head}.csv"), Path(f"data/quarantine/{head}.csv")
        findings[head] = judge_table(head, raw, settings, reports / f"{head}.json", reports / "docs" / head)
        try:
            valid[head] = set_aside(head, raw, findings[head], settings, Path(f"data/valid/{head}.parquet"), quarantine)
        except InputError as refusal:
            # What is wrong with one table must not hide what is wrong with the other.
            refusals.append(str(refusal))
    report_quality(findings, valid, reports / "summary.json")
    if refusals:
        raise InputError("\n".join([*refusals, f"What was judged: {reports / 'docs'}"]))


if __name__ == "__main__":
    from flows.stage import main

    main(validate)
