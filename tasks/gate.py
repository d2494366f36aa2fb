"""The verdict on both heads as one system."""

import json
from pathlib import Path

from faces.verdict import emotion_rules, keypoint_rules
from params import Gate
from tasks.files import InputError, replacing, sha256
from tasks.orchestration import leave_table, log, task


@task
def judge_heads(metrics: dict[str, Path], models: dict[str, Path], settings: Gate, verdict: Path) -> Path:
    """Write every rule's outcome and the hashes of the models that it is about; raises nothing for a failed rule."""
    figures = {head: json.loads(path.read_text()) for head, path in metrics.items()}
    hashes = {head: sha256(path) for head, path in models.items()}
    for head, path in models.items():
        if figures[head]["model_sha256"] != hashes[head]:
            raise InputError(f"{metrics[head]} is about another network than {path}; `dvc repro` evaluates this one")
    rules = [
        *keypoint_rules(figures["keypoints"], **settings.keypoints.model_dump()),
        *emotion_rules(figures["emotion"], **settings.emotion.model_dump()),
    ]
    content = {
        "passed": all(rule.passed for rule in rules),
        "rules": [rule._asdict() for rule in rules],
        "classes": figures["emotion"]["classes"].split(", "),
        "models": {
            head: {
                "path": str(path),
                "sha256": hashes[head],
                "flip_averaging": figures[head]["flip_averaging"],
                "temperature": figures[head].get("temperature", 1.0),
            }
            for head, path in models.items()
        },
    }
    with replacing(verdict) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    return verdict


@task
def report_verdict(verdict: Path) -> None:
    """Leave the decision table."""
    rules = json.loads(verdict.read_text())["rules"]
    rows = [{**rule, "passed": "passed" if rule["passed"] else "FAILED"} for rule in rules]
    leave_table("verdict", rows, "The gate's verdict, rule by rule")


@task
def require_pass(verdict: Path) -> Path:
    """Raises InputError, naming what failed, where the verdict is not a pass."""
    content = json.loads(verdict.read_text())
    failed = [
        f"  {rule['head']}: {rule['rule']} is {rule['value']:.4g}, must be {rule['bound']} {rule['threshold']:.4g}"
        for rule in content["rules"]
        if not rule["passed"]
    ]
    if not content["passed"]:
        raise InputError("the gate does not let these networks pass:\n" + "\n".join(failed))
    log("the gate lets both networks pass")
    return verdict
