"""Validation results as text: reasons by row, and error messages for a table."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tasks.common.errors import group_reasons
from tasks.orchestration.artifacts import counted

MAX_REASONS = 10
"""Reasons that an error lists."""


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
    """All reasons for quarantining a row, by row number, without what was found in it, so that they can be counted."""
    return _by_row(results, _grouped)


def reason_texts(results: list[dict]) -> dict[int, list[str]]:
    """All reasons for quarantining a row, by row number, with what was found in it."""
    return _by_row(results, lambda result: {row: _text(result, row) for row in result["rows"]})


def _by_row(results: list[dict], reasons_of: Callable[[dict], dict[int, str]]) -> dict[int, list[str]]:
    warnings = [result for result in results if result["severity"] == "warning"]
    alone = {row for result in warnings if result.get("alone") for row in result["rows"]}
    reasons: dict[int, list[str]] = {}
    for result in warnings:
        for row, reason in reasons_of(result).items():
            if result.get("alone") or row not in alone:
                reasons.setdefault(row, []).append(reason)
    return {row: list(dict.fromkeys(each)) for row, each in sorted(reasons.items())}


def _text(result: dict, row: int) -> str:
    detail = result.get("details", {}).get(str(row), "")
    if result.get("alone"):
        return str(detail)
    return f"{result['reason']} ({detail})" if detail else str(result["reason"])


def _grouped(result: dict) -> dict[int, str]:
    """The reason of each row; of rows with a text of their own, its group too."""
    if not result.get("alone"):
        return dict.fromkeys(result["rows"], result["reason"])
    texts = {row: _text(result, row) for row in result["rows"]}
    groups = group_reasons(list(texts.values()))
    return {row: f"{result['reason']}: {groups[text]}" for row, text in texts.items()}


def failed_expectations(report: dict) -> list[str]:
    """One line per failed expectation of severity `critical`: reason, rows or observed value, remedy."""
    lines = []
    for result in report["results"]:
        if result["severity"] == "critical" and not result["passed"]:
            observed = result["observed"]
            found = f" ({observed:.4g} found)" if isinstance(observed, (int, float)) else ""
            where = f" ({counted(result['count'], 'row')}, first row {result['rows'][0]})" if result["rows"] else found
            details = ", ".join(dict.fromkeys(result.get("details", {}).values()))
            lines.append(f"  {result['reason']}{details and ': '}{details}{where}; {result['remedy']}")
    return lines


def too_many_invalid(report: dict, allowed: float, quarantine: Path) -> list[str]:
    """Error lines if more than the fraction `allowed` of the rows, or all, are invalid; else an empty list."""
    reasons, rows = reasons_by_row(report["results"]), report["rows"]
    fraction = len(reasons) / rows
    if fraction <= allowed and len(reasons) < rows:
        return []
    counts = Counter(reason for each in reasons.values() for reason in each).most_common()
    top, others = counts[:MAX_REASONS], counts[MAX_REASONS:]
    first = {reason: next(row for row, each in reasons.items() if reason in each) for reason, _ in top}
    invalid = f"of {counted(rows, 'row')} ({fraction:.1%}) {'is' if rows == 1 else 'are'} invalid"
    remedy = "" if len(reasons) == rows else ", or raise validate.max_invalid_fraction"
    return [
        f"  {len(reasons):,} {invalid}; validate.max_invalid_fraction allows "
        f"{allowed:.1%}, and never all; correct them in a copy of {quarantine}{remedy}:",
        *[
            f"    {counted(count, 'row')}, first row {first[reason]}: {reason}{_more(report, reason)}"
            for reason, count in top
        ],
        *([f"    and {counted(len(others), 'more reason')}"] if others else []),
    ]


def _more(report: dict, reason: str) -> str:
    """The most common of what was found in the rows of a reason, and the remedy, if there is one."""
    result: dict = next((each for each in report["results"] if each["reason"] == reason), {})
    found = Counter(result.get("details", {}).values()).most_common(3)
    details = f" ({', '.join(f'{detail}: {count}' for detail, count in found)})" if found else ""
    return details + (f"; {result['remedy']}" if result.get("remedy") else "")
