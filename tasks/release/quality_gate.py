"""Evaluates the quality gate on both models together, and reports the gate result."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from faces.release.quality_gate import Check, Interval, emotion_checks, interval_of, keypoint_checks, outcome_of
from params import Gate, GateEmotion, GateKeypoints
from tasks.common.files import InputError, replacing, sha256
from tasks.models.exports import export_path
from tasks.orchestration.artifacts import log, log_table
from tasks.orchestration.decorators import task

SLICE_METRIC = {"keypoints": "nme", "emotion": "accuracy"}
"""The metric that the gate checks on slices."""

LIST = re.compile(r"\[([^\[\]{}]*)\]")

ALL_CLASSES = ("classes", "class_indices", "temperature", "biases", "reference")
"""What a gate result says of all classes that an emotion model was trained on."""

PREPARED_FILES = ("train.npz", "augmented.npz", "validation.npz", "test.npz", "normalization.json")


class EvaluationPaths(NamedTuple):
    """Paths of a model's metrics, tables, model file, export report and prepared dataset, and its recipe."""

    metrics: Path
    reports: Path
    model_path: Path
    export: Path
    prepared: Path
    recipe: dict[str, object]


@task
def evaluate_gate(evaluations: dict[str, EvaluationPaths], settings: Gate, gate_result: Path) -> Path:
    """Write the outcome of every check, hashes of the models and prepared files, the recipes and the drift reference.

    A failed check raises nothing. Raises InputError if metrics or exports are of another model.
    """
    metrics = {model_name: json.loads(one.metrics.read_text()) for model_name, one in evaluations.items()}
    exports = {model_name: _exports(one, metrics[model_name]) for model_name, one in evaluations.items()}
    calibration = json.loads((evaluations["emotion"].reports / "calibration.json").read_text())
    checks = [
        *model_checks(metrics["keypoints"], evaluations["keypoints"].reports, settings.keypoints),
        *model_checks(metrics["emotion"], evaluations["emotion"].reports, settings.emotion),
    ]
    outcome = outcome_of(checks)
    content = {
        "outcome": outcome,
        "passed": outcome == "passed",
        "checks": [{name: _known(value) for name, value in check._asdict().items()} for check in checks],
        "classes": metrics["emotion"]["classes"].split(", "),
        "reference": json.loads((evaluations["emotion"].reports / "reference.json").read_text()),
        "models": {
            model_name: {
                "path": str(one.model_path),
                "sha256": sha256(one.model_path),
                "precision": metrics[model_name]["precision"],
                "exports": exports[model_name],
                "flip_tta": metrics[model_name]["flip_tta"],
                **(_calibration(calibration) if model_name == "emotion" else {"temperature": 1.0}),
                "data": {name: sha256(one.prepared / name) for name in PREPARED_FILES},
                "recipe": one.recipe,
            }
            for model_name, one in evaluations.items()
        },
    }
    with replacing(gate_result) as temporary:
        temporary.write_text(gate_result_text(content))
    return gate_result


def gate_result_text(content: Mapping[str, Any]) -> str:
    """Returns a gate result as JSON, one line per list: one line per quantile would fill pages."""
    return LIST.sub(lambda match: f"[{' '.join(match[1].split())}]", json.dumps(content, indent=2)) + "\n"


def _calibration(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """Inference settings of an emotion model: for its output classes, and for all that it was trained on if more."""
    content = {"trained_classes": calibration["trained_classes"], **calibration["output"]}
    if "all" in calibration:
        content["all_classes"] = {name: calibration["all"][name] for name in ALL_CLASSES}
    return content


def _exports(one: EvaluationPaths, metrics: Mapping) -> dict[str, str]:
    """Hashes of a model's exported files by precision."""
    exported = json.loads(one.export.read_text())
    if exported["model_sha256"] != sha256(one.model_path):
        raise InputError(f"{one.export}: not the exports of {one.model_path}; `dvc repro` exports this model")
    hashes = {precision: sha256(export_path(one.model_path, precision)) for precision in exported["exports"]}
    for precision, found in hashes.items():
        if found != exported["exports"][precision]:
            path = export_path(one.model_path, precision)
            raise InputError(f"{path}: not the file that {one.export} names; `dvc repro` exports the model again")
    if metrics["export_sha256"] != hashes[metrics["precision"]]:
        path = export_path(one.model_path, metrics["precision"])
        raise InputError(f"{one.metrics}: not the metrics of {path}; `dvc repro` evaluates this model")
    return hashes


def model_checks(metrics: Mapping[str, float], reports: Path, thresholds: GateKeypoints | GateEmotion) -> list[Check]:
    """Returns a model's checks; `metrics` is the content of its metrics file, `reports` the folder of its tables."""
    model_name = "keypoints" if isinstance(thresholds, GateKeypoints) else "emotion"
    slices = _intervals(reports / "slices.csv", ["property", "slice"], SLICE_METRIC[model_name])
    if isinstance(thresholds, GateKeypoints):
        return keypoint_checks(metrics, slices, **thresholds.model_dump())
    recalls = _intervals(reports / "classes.csv", ["class"], "recall")
    return emotion_checks(metrics, slices, recalls, **thresholds.model_dump())


def _intervals(path: Path, names: list[str], metric: str) -> dict[str, Interval]:
    """Returns a metric with its interval by the row's name."""
    table = pd.read_csv(path)
    row_names = table[names].astype(str).agg(": ".join, axis=1)
    return {name: interval_of(dict(table.iloc[row]), metric) for row, name in enumerate(row_names)}


def _known(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _checks(gate_result: Path) -> list[Check]:
    rows: list[dict[str, Any]] = json.loads(gate_result.read_text())["checks"]
    unknown = {"value": math.nan, "low": math.nan, "high": math.nan}
    return [Check(**unknown | {name: value for name, value in row.items() if value is not None}) for row in rows]


@task
def report_gate(gate_result: Path) -> None:
    """Log the checks as a table."""
    checks = _checks(gate_result)
    words = {"passed": "passed", "failed": "FAILED", "inconclusive": "INCONCLUSIVE"}
    rows = [{**check._asdict(), "outcome": words[check.outcome]} for check in checks]
    log_table("gate", rows, "The gate result, check by check")


@task
def require_passed(gate_result: Path) -> Path:
    """Returns its path. Raises InputError, naming failed and inconclusive checks, if the gate result is not a pass."""
    outcome, checks = json.loads(gate_result.read_text())["outcome"], _checks(gate_result)
    if outcome == "passed":
        log("both models pass the gate")
        return gate_result
    lines = [f"  {check.model}: {sentence(check)}" for check in checks if check.outcome != "passed"]
    raise InputError("these models do not pass the gate:\n" + "\n".join(lines))


def sentence(check: Check) -> str:
    """Describes a check that did not pass."""
    interval = "unknown" if math.isnan(check.value) else f"{check.value:.4g} ({check.low:.4g} to {check.high:.4g})"
    description = f"{check.check} is {interval}, must be {check.bound} {check.threshold:.4g}"
    return description + ("; too few test faces to decide" if check.outcome == "inconclusive" else "")
