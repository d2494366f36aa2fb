"""Stage `gate`: both heads must pass, or nothing after it runs."""

from pathlib import Path

import params
from tasks.orchestration.api import flow
from tasks.release.model_card import write_card
from tasks.release.quality_gate import Evaluated, judge_heads, report_verdict, require_pass


@flow
def gate() -> None:
    """Judge both heads by the bounds of `params.yaml`; write verdict and model card; exit 1 unless all are kept."""
    settings = params.load()
    heads = {
        head: Evaluated(
            metrics=Path(f"reports/metrics/{head}.json"),
            reports=Path(f"reports/evaluate/{head}"),
            model=Path(f"models/trained/{head}.keras"),
            prepared=Path(f"data/prepared/{head}"),
            recipe=getattr(settings.train.chosen, head).model_dump(mode="json"),
        )
        for head in params.HEADS
    }
    verdict = judge_heads(heads, settings.gate, Path("reports/verdict.json"))
    training = {head: Path(f"reports/train/{head}.json") for head in params.HEADS}
    preparing = {head: Path(f"reports/prepare/{head}.json") for head in params.HEADS}
    write_card(verdict, heads, training, preparing, settings.gate.data, Path("reports/model_card.md"))
    report_verdict(verdict, Path("reports/verdict.png"))
    require_pass(verdict)


if __name__ == "__main__":
    from flows.stage import main

    main(gate)
