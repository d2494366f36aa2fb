"""Stage `gate`: both heads must pass, or nothing after it runs."""

from pathlib import Path

import params
from tasks.gate import judge_heads, report_verdict, require_pass
from tasks.orchestration import flow


@flow
def gate() -> None:
    """Judge both heads by the thresholds of `params.yaml`; write `reports/verdict.json`; exit 1 where one fails."""
    metrics = {head: Path(f"reports/metrics/{head}.json") for head in params.HEADS}
    models = {head: Path(f"models/trained/{head}.keras") for head in params.HEADS}
    verdict = judge_heads(metrics, models, params.load().gate, Path("reports/verdict.json"))
    report_verdict(verdict)
    require_pass(verdict)


if __name__ == "__main__":
    from flows.stage import main

    main(gate)
