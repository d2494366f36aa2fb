"""Stage `gate`: both models must pass, or no later stage runs."""

from pathlib import Path

import params
from tasks.release.model_card import write_card
from tasks.release.quality_gate import EvaluationPaths, evaluate_gate, report_gate, require_passed


def gate(settings: params.Params) -> None:
    """Check both models against the thresholds of the data set's preset; write gate result and model card.

    Exit with status 1 unless every check passes.
    """
    evaluations = {
        model_name: EvaluationPaths(
            metrics=Path(f"reports/metrics/{model_name}.json"),
            reports=Path(f"reports/evaluate/{model_name}"),
            model_path=Path(f"models/trained/{model_name}.keras"),
            export=Path(f"reports/export/{model_name}.json"),
            prepared=Path(f"data/prepared/{model_name}"),
            recipe=getattr(settings.recipe, model_name).student.model_dump(mode="json"),
        )
        for model_name in params.MODELS
    }
    gate_result = evaluate_gate(evaluations, settings.dataset.gate, Path("reports/gate.json"))
    training = {model_name: Path(f"reports/train/{model_name}.json") for model_name in params.MODELS}
    preparing = {model_name: Path(f"reports/prepare/{model_name}.json") for model_name in params.MODELS}
    write_card(
        gate_result, evaluations, training, preparing, settings.dataset.gate.license, Path("reports/model_card.md")
    )
    report_gate(gate_result)
    require_passed(gate_result)
