"""Counts how often a test split was opened: every model that was evaluated on it makes its metrics less unseen."""

import json
from pathlib import Path

from tasks.common.files import replacing, sha256
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.orchestration.locks import waiting_lock

REPORT = Path("reports/test_openings.json")


@task
def record_opening(model_name: str, test: Path, recipe: str, export: Path) -> int:
    """Add an evaluation to REPORT, unless it has the same test split, recipe and model file; returns its number.

    The number counts the distinct evaluations on this test split so far. Both models may be evaluated at once.
    """
    entry = {"model": model_name, "test_sha256": sha256(test), "recipe": recipe, "export_sha256": sha256(export)}
    with waiting_lock("test openings"):
        entries: list[dict[str, str]] = json.loads(REPORT.read_text()) if REPORT.exists() else []
        if entry not in entries:
            entries.append(entry)
            with replacing(REPORT) as temporary:
                temporary.write_text(json.dumps(entries, indent=2) + "\n")
    count = sum(one["test_sha256"] == entry["test_sha256"] for one in entries)
    log(f"{model_name}: distinct evaluations on this test split, this one included: {count} ({REPORT})")
    return count
