"""Stage `validate`: good rows on, bad rows aside, with their reasons."""

from pathlib import Path

import params
from tasks.orchestration import flow
from tasks.validate import judge_table, report_quality, set_aside


@flow
def validate() -> None:
    """Judge both raw tables; write `data/valid/`, `data/quarantine/` and `reports/validation/`."""
    settings = params.load().validate_
    reports = Path("reports/validation")
    findings = {}
    for head in params.HEADS:
        raw = Path(f"data/raw/{head}.csv")
        findings[head] = judge_table(head, raw, settings, reports / f"{head}.json", reports / "docs" / head)
        valid, quarantine = Path(f"data/valid/{head}.parquet"), Path(f"data/quarantine/{head}.csv")
        set_aside(head, raw, findings[head], settings, valid, quarantine)
    report_quality(findings)


if __name__ == "__main__":
    from flows.stage import main

    main(validate)
