"""What validation found, in words: reasons by row, and complaints about a table."""

from collections import Counter
from pathlib import Path


def outcome(finding: dict) -> dict[str, object]:
    """A row of the table of rules: what was judged, how many rows broke it, what was seen."""
    seen = finding["observed"]
    return {
        "of each": "row" if finding["severity"] == "warning" else "table",
        "rule against": finding["reason"],
        "rows": finding["count"],
        "seen": seen if isinstance(seen, (int, float)) else "",
        "rule holds": "holds" if finding["passed"] else "broken",
    }


def reasons_by_row(findings: list[dict]) -> dict[int, list[str]]:
    """Every reason for which a row is set aside, by row number."""
    reasons: dict[int, list[str]] = {}
    for finding in findings:
        if finding["severity"] == "warning":
            for row in finding["rows"]:
                reasons.setdefault(row, []).append(finding["reason"])
    return {row: list(dict.fromkeys(each)) for row, each in sorted(reasons.items())}


def broken_rules(report: dict) -> list[str]:
    """A line for each rule on the table itself that is broken."""
    lines = []
    for finding in report["findings"]:
        if finding["severity"] == "critical" and not finding["passed"]:
            observed = finding["observed"]
            seen = f" ({observed:.4g} found)" if isinstance(observed, (int, float)) else ""
            where = f" ({finding['count']} rows, first row {finding['rows'][0]})" if finding["rows"] else seen
            lines.append(f"  {finding['reason']}{where}; {finding['remedy']}")
    return lines


def too_many_bad(rows: int, reasons: dict[int, list[str]], allowed: float, quarantine: Path) -> list[str]:
    """What to say where more than `allowed` (a share) of the rows are bad, or all: how many, and why; else nothing."""
    share = len(reasons) / rows
    if share <= allowed and len(reasons) < rows:
        return []
    top = Counter(reason for each in reasons.values() for reason in each).most_common(3)
    first = {reason: next(row for row, each in reasons.items() if reason in each) for reason, _ in top}
    remedy = "" if len(reasons) == rows else ", or raise validate.max_quarantined"
    return [
        f"  {len(reasons)} of {rows} rows ({share:.1%}) are bad; validate.max_quarantined allows {allowed:.1%}, "
        f"and never all; mend them in a copy of {quarantine}{remedy}:",
        *[f"    {count} rows, first row {first[reason]}: {reason}" for reason, count in top],
    ]
