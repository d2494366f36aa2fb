"""Validation results as text: reasons by row, and error messages for a table."""

from collections import Counter
from pathlib import Path


def outcome(result: dict) -> dict[str, object]:
    """One row of the data-quality table: scope and reason of an expectation, failing rows, observed value, result."""
    observed = result["observed"]
    return {
        "scope": "row" if result["severity"] == "warning" else "table",
        "fails if": result["reason"],
        "rows": result["count"],
        "observed": observed if isinstance(observed, (int, float)) else "",
        "result": "passed" if result["passed"] else "failed",
    }


def reasons_by_row(results: list[dict]) -> dict[int, list[str]]:
    """All reasons for quarantining a row, by row number."""
    reasons: dict[int, list[str]] = {}
    for result in results:
        if result["severity"] == "warning":
            for row in result["rows"]:
                reasons.setdefault(row, []).append(result["reason"])
    return {row: list(dict.fromkeys(each)) for row, each in sorted(reasons.items())}


def failed_expectations(report: dict) -> list[str]:
    """One line per failed expectation of severity `critical`: reason, rows or observed value, remedy."""
    lines = []
    for result in report["results"]:
        if result["severity"] == "critical" and not result["passed"]:
            observed = result["observed"]
            found = f" ({observed:.4g} found)" if isinstance(observed, (int, float)) else ""
            where = f" ({result['count']} rows, first row {result['rows'][0]})" if result["rows"] else found
            lines.append(f"  {result['reason']}{where}; {result['remedy']}")
    return lines


def too_many_invalid(rows: int, reasons: dict[int, list[str]], allowed: float, quarantine: Path) -> list[str]:
    """Error lines if more than the fraction `allowed` of the rows, or all, are invalid; else an empty list."""
    fraction = len(reasons) / rows
    if fraction <= allowed and len(reasons) < rows:
        return []
    top = Counter(reason for each in reasons.values() for reason in each).most_common(3)
    first = {reason: next(row for row, each in reasons.items() if reason in each) for reason, _ in top}
    remedy = "" if len(reasons) == rows else ", or raise validate.max_invalid_fraction"
    return [
        f"  {len(reasons)} of {rows} rows ({fraction:.1%}) are invalid; validate.max_invalid_fraction allows "
        f"{allowed:.1%}, and never all; correct them in a copy of {quarantine}{remedy}:",
        *[f"    {count} rows, first row {first[reason]}: {reason}" for reason, count in top],
    ]
