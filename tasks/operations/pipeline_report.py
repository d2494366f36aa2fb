"""What a pipeline's run leaves to read: each stage's outcome, metrics beside those before, the gate's table, links."""

import json
from pathlib import Path
from uuid import UUID

from tasks.common.files import InputError
from tasks.common.text_escaping import markdown
from tasks.operations.pipeline_run import Lane
from tasks.orchestration.api import leave_markdown, task
from tasks.orchestration.api_settings import configured_url

VERDICT = Path("reports/verdict.json")
SHOWN = {"keypoints": ["nme", "rmse_px"], "emotion": ["accuracy", "macro_f1", "ece"]}
"""Metrics of each head that a run is compared by."""

Metrics = dict[str, dict[str, float]]


def metrics_now() -> Metrics:
    """Each head's shown metrics, of those that have been evaluated."""
    found = {}
    for head, names in SHOWN.items():
        path = Path(f"reports/metrics/{head}.json")
        if path.exists():
            metrics = json.loads(path.read_text())
            found[head] = {name: metrics[name] for name in names}
    return found


@task
def report_pipeline(lanes: list[Lane], before: Metrics, began: float) -> None:
    """Leave one page about the run. `before` are the metrics as they were when it began, at the time `began`."""
    parts = [_stages(lanes), _metrics(before, metrics_now())]
    # A gate that was killed leaves the verdict of the run before.
    gates = [lane for lane in lanes if lane.stage == "gate" and lane.outcome != "NotReady"]
    if VERDICT.exists() and any(lane.done or VERDICT.stat().st_mtime > began for lane in gates):
        parts.append(_verdict(json.loads(VERDICT.read_text())))
    leave_markdown("pipeline", "\n\n".join(filter(None, parts)), "The pipeline's run, stage by stage")


def require_done(lanes: list[Lane]) -> None:
    """Raises InputError, naming every stage that failed and why, unless all are done."""
    failed = [lane for lane in lanes if not lane.done and lane.outcome != "NotReady"]
    waiting = [lane.stage for lane in lanes if lane.outcome == "NotReady"]
    if failed:
        lines = [lane.message for lane in failed]
        if waiting:
            lines.append(f"Not run, since they need it: {', '.join(waiting)}. The next run goes on from here.")
        raise InputError("\n".join(lines))


def _stages(lanes: list[Lane]) -> str:
    rows = [
        [
            _link(lane.stage, lane.child),
            lane.outcome,
            f"{lane.seconds:.0f} s",
            "" if lane.done else markdown(lane.message.partition("\n")[0]),
        ]
        for lane in lanes
    ]
    return _table(["stage", "outcome", "time", "what was said"], rows)


def _link(text: str, flow_run: UUID | None) -> str:
    address = (configured_url() or "").removesuffix("/api")
    return f"[{text}]({address}/runs/flow-run/{flow_run})" if flow_run else text


def _metrics(before: Metrics, now: Metrics) -> str:
    rows = []
    for head, metrics in now.items():
        for name, value in metrics.items():
            was = before.get(head, {}).get(name)
            change = ["", ""] if was is None else [f"{was:.4f}", f"{value - was:+.4f}"]
            rows.append([head, name, f"{value:.4f}", *change])
    return _table(["head", "metric", "now", "before", "change"], rows) if rows else ""


def _verdict(verdict: dict) -> str:
    rows = [
        [
            rule["head"],
            rule["rule"],
            "unknown" if rule["value"] is None else f"{rule['value']:.4g}",
            f"{rule['bound']} {rule['threshold']:.4g}",
            rule["outcome"],
        ]
        for rule in verdict["rules"]
    ]
    return f"Gate: **{verdict['outcome']}**\n\n" + _table(["head", "rule", "value", "must be", "outcome"], rows)


def _table(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)
