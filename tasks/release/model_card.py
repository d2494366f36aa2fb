"""The model card: purpose, data, metrics and limits of both models."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from params import GateLicense
from tasks.common.files import replacing
from tasks.models.exports import PRECISIONS, export_path
from tasks.orchestration.artifacts import log_markdown
from tasks.orchestration.decorators import task
from tasks.release.quality_gate import SLICE_METRIC, EvaluationPaths

METRICS = {
    "keypoints": {
        "nme": "NME (mean error over eye distance)",
        "rmse_px": "RMSE, px",
        "failure_rate_at_010": "fraction of faces over 10% NME",
        "ced_auc_at_010": "area under the CED curve up to 10% NME",
    },
    "emotion": {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "macro_f1": "macro-F1",
        "log_loss": "log loss",
        "ece": "ECE, 15 bins, calibrated",
        "aurc": "area under the risk-coverage curve",
    },
}
ON_ALL = ("accuracy", "macro_f1")
TITLES = {"keypoints": "Keypoints", "emotion": "Emotion"}
BASELINES = {"keypoints": "mean face", "emotion": "majority class"}

INTRODUCTION = """\
# Model card

The stage `gate` writes this card from the results of earlier stages. There are two models, and the input of each is one
image of a face. One predicts 15 keypoints (also called landmarks) in pixels, the other a probability for each of these
emotions: {classes}. Intervals are 95% bootstrap intervals over groups.
"""

USE = """\
## Intended use and limits

- The emotion is the *apparent* one: the label that people gave to such an image, not what the person feels. The model
  always predicts one of the classes above{neutral}. Confidence estimates how often such predictions are correct; the
  ECE above is its mean error on the test split.
- Intended use: research and teaching, sorting images for human review, measuring and comparing methods.
- Not intended: decisions about a person. The AI Act of the European Union (Regulation 2024/1689) prohibits inferring
  emotions at work and in education, with exceptions for medical and safety reasons (Article 5(1)(f)). In other cases,
  people who are exposed to such a system must be informed (Article 50(3)).
- The models were not tested on what the test split does not contain, for example other cameras, ages, skin tones or
  face coverings. The slices cover only brightness, sharpness and group size, because the data have no other attributes.
"""
REPRODUCING = """## Reproducing the models

Run `dvc repro` at the revision of this repository that contains this file. `dvc pull` fetches the model files.
"""


def markdown_table(rows: Iterable[Mapping[str, object]]) -> str:
    """Returns a Markdown table with the columns of the first row."""
    rows = list(rows)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def format_interval(row: Mapping, name: str) -> str:
    """Returns `0.831 (0.816 to 0.846)`, or the value only where there is no interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.3f}" + ("" if pd.isna(low) else f" ({low:.3f} to {high:.3f})")


def metric_rows(model_name: str, metrics: Mapping) -> list[dict[str, object]]:
    """Returns rows of a model's metrics with their intervals, and of its trivial baseline."""
    rows: list[dict[str, object]] = []
    for name, title in METRICS[model_name].items():
        baseline = metrics.get(f"baseline_{name}")
        shown = "" if baseline is None else f"{baseline:.3f}"
        rows.append({"metric": title, "value (95% interval)": format_interval(metrics, name), "baseline": shown})
    return rows


@task
def write_card(
    gate_result: Path,
    evaluations: dict[str, EvaluationPaths],
    training: dict[str, Path],
    preparing: dict[str, Path],
    data: GateLicense,
    card: Path,
) -> Path:
    """Write and log the model card; `training` and `preparing` are the JSON reports of those stages, by model."""
    content = json.loads(gate_result.read_text())
    classes = content["classes"]
    neutral = "" if "neutral" in classes else "; there is no neutral class"
    sections = [INTRODUCTION.format(classes=", ".join(classes)), _gate_result(content)]
    for model_name, one in evaluations.items():
        metrics, prepared = json.loads(one.metrics.read_text()), json.loads(preparing[model_name].read_text())
        sections += [
            f"## {TITLES[model_name]}\n",
            f"**Data:** {getattr(data, model_name)}\n",
            markdown_table([_splits(prepared)]),
            auxiliary_classes(prepared, one.reports / "calibration.json"),
            _evaluated_on(model_name, metrics),
            markdown_table(metric_rows(model_name, metrics)),
            _calibration(metrics, one.reports / "calibration.json") if model_name == "emotion" else "",
            markdown_table(_slices(one.reports / "slices.csv", SLICE_METRIC[model_name])),
            _precision(model_name, metrics),
            markdown_table([_size(one.model_path, json.loads(training[model_name].read_text()))]),
        ]
    sections += [USE.format(neutral=neutral), REPRODUCING]
    with replacing(card) as temporary:
        temporary.write_text("\n".join(filter(None, sections)))
    log_markdown("model-card", card.read_text(), "Model card")
    return card


def _gate_result(content: Mapping) -> str:
    names = {model_name: model["sha256"][:12] for model_name, model in content["models"].items()}
    listed = ", ".join(f"{TITLES[model_name].lower()} {name}" for model_name, name in names.items())
    return f"Gate result for {listed} (first digits of their SHA-256): **{content['outcome']}**.\n"


def _splits(prepared: Mapping) -> dict[str, object]:
    rows = {split: f"{prepared['rows'][split]:,}" for split in ("train", "validation", "test")}
    return {
        "split strategy": prepared["strategy"],
        **rows,
        **{name.replace("_", " "): n for name, n in prepared["leakage"].items()},
    }


def auxiliary_classes(prepared: Mapping, calibration: Path) -> str:
    """Returns sentences about training classes that the gate does not judge; "" if there are none."""
    fractions = prepared["class_fractions"]
    names = [name for name in fractions["train"] if name not in fractions["test"]] if fractions else []
    if not names:
        return ""
    listed = " and ".join(names)
    every = json.loads(calibration.read_text()).get("all")
    if every is None:
        return f"Auxiliary training classes: {listed}. The model does not predict them and is not evaluated on them.\n"
    found = ", ".join(f"{METRICS['emotion'][name]} {format_interval(every['validation'], name)}" for name in ON_ALL)
    return (
        f"Auxiliary training classes: {listed}. The test split has none of them. `faces score --classes all` predicts "
        f"them too; on {every['num_validation_samples']:,} validation faces of all classes, which the epoch and the "
        f"calibration were chosen on: {found}.\n"
    )


def _evaluated_on(model_name: str, metrics: Mapping) -> str:
    tta = (
        "with flip TTA (the mean over each image and its flipped image)" if metrics["flip_tta"] else "without flip TTA"
    )
    faces = f"{metrics['num_test_samples']:,} test faces in {metrics['num_test_groups']:,} groups"
    leakage = ", ON A SPLIT THAT LEAKS: no evidence" if metrics["is_leaky"] else ", not used in training"
    precision = f"in {metrics['precision']}, {tta}"
    return f"Metrics on {faces}{leakage}, {precision}; the baseline is the {BASELINES[model_name]}:\n"


def _precision(model_name: str, metrics: Mapping) -> str:
    """Returns a sentence on the headline metric in both precisions."""
    name = SLICE_METRIC[model_name]
    low, high = (f"{metrics[f'int8_delta_{name}_{end}']:+.4f}" for end in ("low", "high"))
    values = f"{metrics[f'int8_{name}']:.4f} in int8, {metrics[f'float32_{name}']:.4f} in float32"
    return (
        f"{METRICS[model_name][name]}: {values}; difference {metrics[f'int8_delta_{name}']:+.4f} ({low} to {high}).\n"
    )


def _calibration(metrics: Mapping, calibration: Path) -> str:
    before, after = (f"{metrics[name]:.3f}" for name in ("uncalibrated_ece", "ece"))
    biases = json.loads(calibration.read_text())["output"]["biases"]
    corrected = f" and bias correction ({', '.join(f'{bias:+.2f}' for bias in biases)})" if biases else ""
    return f"ECE: {before} before and {after} after temperature scaling ({metrics['temperature']:.3f}){corrected}.\n"


def _slices(path: Path, metric: str) -> list[dict[str, object]]:
    rows = pd.read_csv(path).to_dict("records")
    return [
        {"slice": f"{row['property']}: {row['slice']}", "faces": row["faces"], metric: format_interval(row, metric)}
        for row in rows
    ]


def _size(model_path: Path, trained: Mapping) -> dict[str, object]:
    return {
        "file": model_path.name,
        "bytes": f"{model_path.stat().st_size:,}",
        **{f"{each} export": f"{export_path(model_path, each).stat().st_size:,}" for each in PRECISIONS},
        "parameters": f"{trained['parameters']:,}",
        "MACs per face": f"{trained['macs']:,}",
        "best epochs": ", ".join(map(str, trained["best_epochs"])),
    }
