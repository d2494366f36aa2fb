"""Report of a pipeline run: each stage's outcome, metrics before and after, the gate result, links."""

import json
from pathlib import Path
from uuid import UUID

from tasks.common.files import InputError
from tasks.common.text_escaping import markdown
from tasks.operations.pipeline_run import StageResult
from tasks.orchestration.api_settings import configured_url
from tasks.orchestration.artifacts import log_markdown
from tasks.orchestration.decorators import task

GATE_RESULT = Path("reports/gate.json")
SHOWN = {"keypoints": ["nme", "rmse_px"], "emotion": ["accuracy", "macro_f1", "ece"]}
"""Metrics of each model in the report."""

Metrics = dict[str, dict[str, float]]


def metrics_now() -> Metrics:
    """Return the reported metrics of each model that has been evaluated."""
    metrics = {}
    for model_name, names in SHOWN.items():
        path = Path(f"reports/metrics/{model_name}.json")
        if path.exists():
            report = json.loads(path.read_text())
            metrics[model_name] = {name: report[name] for name in names}
    return metrics


@task
def report_pipeline(results: list[StageResult], before: Metrics, start_time: float) -> None:
    """Log a Markdown report of the run. `before` are the metrics at its start, `start_time` in seconds since 1970."""
    sections = [_stages(results), _metrics(before, metrics_now())]
    # If the gate was killed, the file still holds the gate result of an earlier run.
    gates = [result for result in results if result.stage == "gate" and result.outcome != "NotReady"]
    if GATE_RESULT.exists() and any(result.done or GATE_RESULT.stat().st_mtime > start_time for result in gates):
        sections.append(_gate_result(json.loads(GATE_RESULT.read_text())))
    log_markdown("pipeline", "\n\n".join(filter(None, sections)), "Pipeline run, stage by stage")


def require_done(results: list[StageResult]) -> None:
    """Raise InputError, with the name and message of every failed stage, unless all stages are done."""
    failed = [result for result in results if not result.done and result.outcome != "NotReady"]
    not_run = [result.stage for result in results if result.outcome == "NotReady"]
    if failed:
        lines = [result.message for result in failed]
        if not_run:
            lines.append(f"Not run, since they depend on it: {', '.join(not_run)}. The next run resumes here.")
        raise InputError("\n".join(lines))


def _stages(results: list[StageResult]) -> str:
    rows = [
        [
            _link(result.stage, result.child),
            result.outcome,
            f"{result.seconds:.0f} s",
            "" if result.done else markdown(result.message.partition("\n")[0]),
        ]
        for result in results
    ]
    return _table(["stage", "outcome", "time", "message"], rows)


def _link(text: str, flow_run: UUID | None) -> str:
    address = (configured_url() or "").removesuffix("/api")
    return f"[{text}]({address}/runs/flow-run/{flow_run})" if flow_run else text


def _metrics(before: Metrics, now: Metrics) -> str:
    rows = []
    for model_name, metrics in now.items():
        for name, value in metrics.items():
            earlier = before.get(model_name, {}).get(name)
            change = ["", ""] if earlier is None else [f"{earlier:.4f}", f"{value - earlier:+.4f}"]
            rows.append([model_name, name, f"{value:.4f}", *change])
    return _table(["model", "metric", "now", "before", "change"], rows) if rows else ""


def _gate_result(gate_result: dict) -> str:
    rows = [
        [
            check["model"],
            check["check"],
            "unknown" if check["value"] is None else f"{check['value']:.4g}",
            f"{check['bound']} {check['threshold']:.4g}",
            check["outcome"],
        ]
        for check in gate_result["checks"]
    ]
    table = _table(["model", "check", "value", "threshold", "outcome"], rows)
    return f"Gate result: **{gate_result['outcome']}**\n\n{table}"


def _table(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)
