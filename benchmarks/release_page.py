"""The pages of a release: the README beside the models, and the evaluation page in docs."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

import params
from tasks.models.exports import export_path
from tasks.release.model_card import TITLES, auxiliary_classes, format_interval, markdown_table, metric_rows

MODELS = ("keypoints", "emotion")
CHARTS = {
    "keypoints": ("ced_curve", "per_keypoint_error", "slices", "robustness"),
    "emotion": ("confusion", "reliability", "risk_coverage", "slices", "robustness"),
}
"""Figures of reports/figures that show no faces."""
SHOWN = {"keypoints": ("nme", "rmse_px"), "emotion": ("accuracy", "macro_f1")}

SETS = {"released": "Released models", "fast": "Fast models"}
"""Titles of the model sets, by folder name in models."""

ABOUT = """\
# {title}

Two trained models, ready to use: `python -m flows score PHOTO --model-set {name} --out scored`. Input and output are
those of any model trained here: uint8 faces in, points in pixels or probabilities out. `gate.json` contains their
hashes and how they were evaluated: with or without flip TTA, and at which temperature. `score` uses them in that way.

**Terms.** Trained on face data sets that are published for research only: FER2013 (Goodfellow et al. 2013, Challenges
in representation learning) for the emotion, YouTube Faces (Wolf et al. 2011, Face recognition in unconstrained videos
with matched background similarity) with its public keypoints for the keypoints. The code's licence, Apache-2.0, does
not extend to these files: use them for research.
"""

LIMITS = """\
## Limits

- The emotion is the apparent expression, as people labelled it in a small grey image; not what someone feels. The model
  always predicts one of five classes, none of which is neutral.
- FER2013's labels are noisy, and disgust is rare: see its row. Its images come from a web search of 2013; the subjects
  are unknown, so differences between groups of people were not evaluated.
- The keypoints were learnt from video frames of a few hundred public figures. Errors are largest on profiles and
  covered faces.
- Faces must be upright and framed as in training; docs/{name}.md has tables of the effect of blur, rotation, occlusion
  and closer framing.
"""


def split_rows(project: Path) -> list[dict[str, object]]:
    """Return a row per model: split strategy, size of each split, and results of the leakage check."""
    rows = []
    for model_name in MODELS:
        report = read_json(project / f"reports/prepare/{model_name}.json")
        counts = {split: f"{report['rows'][split]:,}" for split in ("train", "validation", "test")}
        rows.append({"model": model_name, "strategy": report["strategy"], **counts, **report["leakage"]})
    return rows


def file_rows(project: Path, gate_result: Mapping) -> list[dict[str, object]]:
    """Return a row per model and per export: file name, size, parameters, best epochs and SHA-256."""
    rows = []
    for model_name in MODELS:
        trained = read_json(project / f"reports/train/{model_name}.json")
        model = gate_result["models"][model_name]
        path = project / model["path"]
        hashes = {path: model["sha256"]} | {export_path(path, each): sha for each, sha in model["exports"].items()}
        about = {
            "parameters": f"{trained['parameters']:,}",
            "best epochs": ", ".join(map(str, trained["best_epochs"])),
        }
        rows += [
            {"file": file.name, "bytes": f"{file.stat().st_size:,}", **about, "SHA-256": sha}
            for file, sha in hashes.items()
        ]
    return rows


def shifted_labels(project: Path) -> str:
    """Return a note on shifted keypoint labels; empty without a shift."""
    shift = params.load(project).dataset.prepare.keypoints.keypoint_offset_px
    if not any(shift):
        return ""
    return (
        f"The keypoint labels were shifted by {shift[0]:g} px in x and {shift[1]:g} px in y, in every split:\n"
        "the published labels are off the centre of the faces, as `explore` found. Against the published labels,\n"
        "the predictions, shifted back, have the same errors.\n"
    )


def changed_settings(project: Path) -> list[str]:
    """Return the changed lines of the settings since the last commit, after the name of their file."""
    changed = git(project, "diff", "HEAD", "--unified=0", "--", "params.yaml", "conf").splitlines()
    lines = [line for line in changed if not line.startswith(("diff ", "index ", "--- ", "@@", "new file "))]
    untracked = git(project, "ls-files", "--others", "--exclude-standard", "--", "conf").splitlines()
    for name in untracked:
        lines += [f"+++ {name}", *(f"+{line}" for line in (project / name).read_text().splitlines())]
    return [line.replace("+++ b/", "+++ ") for line in lines]


def page(project: Path, gate_result: Mapping, name: str, origin: str) -> str:
    """Return the README beside the models; `origin` describes models that `dvc repro` alone did not make."""
    sections = [
        ABOUT.format(title=SETS[name], name=name),
        "## Files\n",
        markdown_table(file_rows(project, gate_result)),
        "## Data\n",
        markdown_table(split_rows(project)),
    ]
    calibration = project / "reports/evaluate/emotion/calibration.json"
    sections.append(auxiliary_classes(read_json(project / "reports/prepare/emotion.json"), calibration))
    sections.append("The last columns are the results of the leakage check.\n\n## On test faces\n")
    for model_name in MODELS:
        metrics = read_json(project / f"reports/metrics/{model_name}.json")
        count = f"{metrics['num_test_samples']:,} faces in {metrics['num_test_groups']:,} groups"
        how = metrics["precision"] + (", with flip TTA" if metrics["flip_tta"] else ", without TTA")
        sections.append(f"{TITLES[model_name]}, {count}, {how}:\n")
        sections.append(markdown_table(metric_rows(model_name, metrics)))
    sections.append(shifted_labels(project))
    sections.append(f"Slices, corruptions and charts: [docs/{name}.md](../../docs/{name}.md).\n")
    revision, settings = git(project, "rev-parse", "HEAD"), "\n".join(changed_settings(project))
    sections.append(f"## How to make them\n\n{origin.strip() or '`dvc repro` on those data sets.'}\n")
    sections.append(f"Revision {revision}, settings changed:\n\n```diff\n{settings or 'none'}\n```\n")
    return "\n".join([*sections, LIMITS.format(name=name)])


def evidence(project: Path, name: str) -> str:
    """Return the evaluation page: slices, corruptions, classes and points, with charts from the folder `name`."""
    sections = [f"# {SETS[name]} on test faces\n"]
    sections.append(
        f"Made by `python -m benchmarks.release` from the evaluation of the models in models/{name}. The\n"
        "[README](../README.md#what-the-evaluation-says) explains the terms. Intervals are 95% bootstrap intervals.\n"
    )
    for model_name in MODELS:
        reports = project / "reports/evaluate" / model_name
        sections.append(f"## {TITLES[model_name]}\n\n{markdown_table(_each(reports, model_name))}")
        slices = pd.read_csv(reports / "slices.csv").to_dict("records")
        sections.append(
            "### Slices\n\n"
            + markdown_table(_selected(row, model_name, ("property", "slice", "faces")) for row in slices)
        )
        table = pd.read_csv(reports / "robustness.csv", keep_default_na=False, na_values=[""]).fillna({"unit": ""})
        rows = (_selected(row, model_name, ("corruption", "strength", "unit")) for row in table.to_dict("records"))
        count = f"{table['faces'].max():,}"
        sections.append(f"### Corruptions, on a random sample of {count} faces\n\n" + markdown_table(rows))
        sections += [f"![{model_name}: {chart}]({name}/{model_name}-{chart}.png)\n" for chart in CHARTS[model_name]]
    return "\n".join(sections)


def _selected(row: Mapping, model_name: str, columns: tuple[str, ...]) -> dict[str, object]:
    return {column: row[column] for column in columns} | {
        name: format_interval(row, name) for name in SHOWN[model_name]
    }


def _each(reports: Path, model_name: str) -> list[dict[str, object]]:
    if model_name == "keypoints":
        points = pd.read_csv(reports / "per_keypoint_error.csv").to_dict("records")
        return [
            {"point": row["point"], "error, px": f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"}
            for row in points
        ]
    classes = pd.read_csv(reports / "classes.csv").to_dict("records")
    measures = ("precision", "recall", "f1")
    return [
        {name: row[name] for name in ("class", "faces")} | {m: format_interval(row, m) for m in measures}
        for row in classes
    ]


def git(project: Path, *arguments: str) -> str:
    """Return the output of a git command in a project, without surrounding white space."""
    return subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True, text=True).stdout.strip()


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())
