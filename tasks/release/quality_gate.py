"""The verdict on both heads as one system."""

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from faces.plots.quality_gate import verdict_figure
from faces.release.quality_gate import Ends, Rule, emotion_rules, ends_of, keypoint_rules, outcome_of
from params import Gate
from tasks.common.files import InputError, replacing, sha256
from tasks.orchestration.api import leave_picture, leave_table, log, task

HEADLINE = {"keypoints": "nme", "emotion": "accuracy"}
"""The metric that slices are judged by."""

LIST = re.compile(r"\[([^\[\]{}]*)\]")

PARTS = ("train.npz", "augmented.npz", "validation.npz", "test.npz", "normalisation.json")


class Evaluated(NamedTuple):
    """Where a head's metrics, the tables beside them, its network and its prepared faces lie, and what trained it."""

    metrics: Path
    reports: Path
    model: Path
    prepared: Path
    recipe: dict[str, object]


@task
def judge_heads(heads: dict[str, Evaluated], settings: Gate, verdict: Path) -> Path:
    """Write every rule's outcome, and what it is about: hashes of networks and prepared faces, and the recipes.

    What the judged faces looked like goes with it, for drift to be told by.

    Raises nothing for a failed rule, and InputError where metrics are of another network.
    """
    figures = {head: json.loads(one.metrics.read_text()) for head, one in heads.items()}
    hashes = {head: sha256(one.model) for head, one in heads.items()}
    for head, one in heads.items():
        if figures[head]["model_sha256"] != hashes[head]:
            raise InputError(f"{one.metrics} is about another network than {one.model}; `dvc repro` evaluates this one")
    slices = {
        head: _ends(one.reports / "slices.csv", ["property", "slice"], HEADLINE[head]) for head, one in heads.items()
    }
    recalls = _ends(heads["emotion"].reports / "classes.csv", ["class"], "recall")
    rules = [
        *keypoint_rules(figures["keypoints"], slices["keypoints"], **settings.keypoints.model_dump()),
        *emotion_rules(figures["emotion"], slices["emotion"], recalls, **settings.emotion.model_dump()),
    ]
    outcome = outcome_of(rules)
    content = {
        "outcome": outcome,
        "passed": outcome == "passed",
        "rules": [{name: _known(value) for name, value in rule._asdict().items()} for rule in rules],
        "classes": figures["emotion"]["classes"].split(", "),
        "reference": json.loads((heads["emotion"].reports / "reference.json").read_text()),
        "models": {
            head: {
                "path": str(one.model),
                "sha256": hashes[head],
                "flip_averaging": figures[head]["flip_averaging"],
                "temperature": figures[head].get("temperature", 1.0),
                "data": {name: sha256(one.prepared / name) for name in PARTS},
                "recipe": one.recipe,
            }
            for head, one in heads.items()
        },
    }
    with replacing(verdict) as temporary:
        # A quantile a line would be pages of them.
        text = LIST.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(content, indent=2))
        temporary.write_text(text + "\n")
    return verdict


def _ends(path: Path, names: list[str], metric: str) -> dict[str, Ends]:
    """A metric with its interval, by the row's name."""
    table = pd.read_csv(path)
    named = table[names].astype(str).agg(": ".join, axis=1)
    return {name: ends_of(dict(table.iloc[place]), metric) for place, name in enumerate(named)}


def _known(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _rules(verdict: Path) -> list[Rule]:
    rows: list[dict[str, Any]] = json.loads(verdict.read_text())["rules"]
    unknown = {"value": math.nan, "low": math.nan, "high": math.nan}
    return [Rule(**unknown | {name: value for name, value in row.items() if value is not None}) for row in rows]


@task
def report_verdict(verdict: Path, picture: Path) -> None:
    """Leave the decision table, and write and leave a picture of each metric with its interval and threshold."""
    rules = _rules(verdict)
    words = {"passed": "passed", "failed": "FAILED", "undecided": "UNDECIDED"}
    rows = [{**rule._asdict(), "outcome": words[rule.outcome]} for rule in rules]
    leave_table("verdict", rows, "The gate's verdict, rule by rule")
    with replacing(picture) as temporary:
        verdict_figure(rules).savefig(temporary, dpi=110)
    leave_picture("verdict-picture", picture, "The gate: each metric, its 95% interval, and the threshold")


@task
def require_pass(verdict: Path) -> Path:
    """Raises InputError, naming what failed or could not be decided, where the verdict is not a pass."""
    outcome, rules = json.loads(verdict.read_text())["outcome"], _rules(verdict)
    if outcome == "passed":
        log("the gate lets both networks pass")
        return verdict
    lines = [f"  {rule.head}: {sentence(rule)}" for rule in rules if rule.outcome != "passed"]
    raise InputError("the gate does not let these networks pass:\n" + "\n".join(lines))


def sentence(rule: Rule) -> str:
    """A rule that did not pass, in words."""
    ends = "unknown" if math.isnan(rule.value) else f"{rule.value:.4g} ({rule.low:.4g} to {rule.high:.4g})"
    said = f"{rule.rule} is {ends}, must be {rule.bound} {rule.threshold:.4g}"
    return said + ("; too few test faces to decide" if rule.outcome == "undecided" else "")
