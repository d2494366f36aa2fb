"""The model card: what both networks do, what they were made from, how well, and what they are not for."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from params import GateData
from tasks.common.files import replacing
from tasks.orchestration.api import leave_markdown, task
from tasks.release.quality_gate import HEADLINE, Evaluated

METRICS = {
    "keypoints": {
        "nme": "NME (mean error over eye distance)",
        "rmse_px": "RMSE, px",
        "failure_rate": "share of faces over 10% NME",
        "error_curve_auc": "area under the error curve up to 10%",
    },
    "emotion": {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "macro_f1": "macro-F1",
        "log_loss": "log loss",
        "ece": "ECE, 15 bins, tempered",
        "aurc": "area under risk over coverage",
    },
}
TITLES = {"keypoints": "Key points", "emotion": "Emotion"}
BASELINES = {"keypoints": "mean face", "emotion": "majority class"}

INTRODUCTION = """\
# Model card

Written by the stage `gate`, from what the stages before it measured. Two networks look at one face each: one gives 15
key points in pixels, the other a probability for each of {classes}. Intervals are 95% bootstrap intervals over groups.
"""

USE = """\
## Use and misuse

- The emotion is the *apparent* one: what people who looked at such a picture called it, and not what someone feels. One
  of the classes above is always chosen{neutral}. Confidence says how often such answers were right on the test faces.
- Meant for: research and teaching, sorting pictures for review by people, measuring and comparing methods.
- Not meant for: decisions about a person. Inferring emotions at work and in education is prohibited in the European
  Union (AI Act, Regulation 2024/1689, Article 5(1)(f)), with exceptions for medical and safety reasons; elsewhere
  people who are exposed to such a system must be told (Article 50(3)).
- What the faces of the table do not show was not tested: other cameras, ages, skin tones, head coverings. The slices
  above are of light, sharpness and group size only, because no more is known of the faces.

## How to make them again

`dvc repro` at the revision of this repository that holds this file; `dvc pull` fetches the networks themselves.
"""


def markdown_table(rows: Iterable[Mapping[str, object]]) -> str:
    """A table, its columns those of the first row."""
    rows = list(rows)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def estimated(row: Mapping, name: str) -> str:
    """`0.831 (0.816 to 0.846)`; without an interval where there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.3f}" + ("" if pd.isna(low) else f" ({low:.3f} to {high:.3f})")


def metric_rows(head: str, figures: Mapping) -> list[dict[str, object]]:
    """A head's metrics with their intervals, and its trivial baseline's."""
    rows: list[dict[str, object]] = []
    for name, title in METRICS[head].items():
        baseline = figures.get(f"baseline_{name}")
        shown = "" if baseline is None else f"{baseline:.3f}"
        rows.append({"metric": title, "value (95% interval)": estimated(figures, name), "baseline": shown})
    return rows


@task
def write_card(
    verdict: Path,
    heads: dict[str, Evaluated],
    training: dict[str, Path],
    preparing: dict[str, Path],
    data: GateData,
    card: Path,
) -> Path:
    """Write and leave the card; `training` and `preparing` are the reports of those stages."""
    content = json.loads(verdict.read_text())
    classes = content["classes"]
    neutral = "" if "neutral" in classes else ": there is no neutral face among them"
    sections = [INTRODUCTION.format(classes=", ".join(classes)), _verdict(content)]
    for head, one in heads.items():
        figures, prepared = json.loads(one.metrics.read_text()), json.loads(preparing[head].read_text())
        sections += [
            f"## {TITLES[head]}\n",
            f"**Data:** {getattr(data, head)}\n",
            markdown_table([_split(prepared)]),
            taught_only(prepared),
            _judged(head, figures),
            markdown_table(metric_rows(head, figures)),
            _calibration(figures) if head == "emotion" else "",
            markdown_table(_slices(one.reports / "slices.csv", HEADLINE[head])),
            markdown_table([_size(one.model, json.loads(training[head].read_text()))]),
        ]
    sections.append(USE.format(neutral=neutral))
    with replacing(card) as temporary:
        temporary.write_text("\n".join(filter(None, sections)))
    leave_markdown("model-card", card.read_text(), "The model card")
    return card


def _verdict(content: Mapping) -> str:
    names = {head: model["sha256"][:12] for head, model in content["models"].items()}
    which = ", ".join(f"{TITLES[head].lower()} {name}" for head, name in names.items())
    return f"The gate's verdict on {which} (beginnings of their SHA-256): **{content['outcome']}**.\n"


def _split(prepared: Mapping) -> dict[str, object]:
    rows = {part: f"{prepared['rows'][part]:,}" for part in ("train", "validation", "test")}
    return {
        "split": prepared["protocol"],
        **rows,
        **{name.replace("_", " "): n for name, n in prepared["leaks"].items()},
    }


def taught_only(prepared: Mapping) -> str:
    """Says so where faces of some classes taught that are never an answer; "" where there are none."""
    shares = prepared["class_shares"]
    names = [name for name in shares["train"] if name not in shares["test"]] if shares else []
    return (
        f"Faces of {' and '.join(names)} taught too; they are never an answer, and none is judged.\n" if names else ""
    )


def _judged(head: str, figures: Mapping) -> str:
    how = "averaged over each face and its mirror image" if figures["flip_averaging"] else "without flip averaging"
    of = f"{figures['test_rows']:,} test faces in {figures['test_groups']:,} groups"
    caution = ", ON A SPLIT THAT LEAKS: no evidence" if figures["leaking"] else ", never seen in training"
    return f"On {of}{caution}, {how}; the baseline is the {BASELINES[head]}:\n"


def _calibration(figures: Mapping) -> str:
    before, after = (f"{figures[name]:.3f}" for name in ("uncalibrated_ece", "ece"))
    return f"Calibration error {before} before and {after} after temperature scaling ({figures['temperature']:.3f}).\n"


def _slices(path: Path, metric: str) -> list[dict[str, object]]:
    rows = pd.read_csv(path).to_dict("records")
    return [
        {"slice": f"{row['property']}: {row['slice']}", "faces": row["faces"], metric: estimated(row, metric)}
        for row in rows
    ]


def _size(model: Path, trained: Mapping) -> dict[str, object]:
    return {
        "file": model.name,
        "bytes": f"{model.stat().st_size:,}",
        "parameters": f"{trained['parameters']:,}",
        "multiply-adds a face": f"{trained['multiply_adds']:,}",
        "epochs kept": ", ".join(map(str, trained["best_epochs"])),
    }
