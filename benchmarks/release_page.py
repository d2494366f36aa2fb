"""The pages of a release: what stands beside the networks, and the evidence in docs."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from tasks.release.model_card import TITLES, estimated, markdown_table, metric_rows, taught_only

HEADS = ("keypoints", "emotion")
CHARTS = {
    "keypoints": ("errors", "points", "slices", "robustness"),
    "emotion": ("confusion", "reliability", "risk_coverage", "slices", "robustness"),
}
"""Of reports/evaluate: those without faces."""
SHOWN = {"keypoints": ("nme", "rmse_px"), "emotion": ("accuracy", "macro_f1")}

SETS = {"released": "Released networks", "fast": "Fast networks"}
"""Titles by name, which is that of a folder in models."""

ABOUT = """\
# {title}

Two networks to use on day one: `python -m flows.score PHOTO --models {name} --out scored`. Input and output are those
of any network trained here: uint8 faces in, points in pixels or probabilities out; `verdict.json` pins their bytes and
says how they were judged, flip-averaged or not and at which temperature, and `score` uses them so.

**Terms.** Trained on face data sets that are published for research only: FER2013 (Goodfellow et al. 2013, Challenges
in representation learning) for the emotion, YouTube Faces (Wolf et al. 2011, Face recognition in unconstrained videos
with matched background similarity) with its public key points for the key points. The code's licence, Apache-2.0, does
not extend to these files: use them for research.
"""

LIMITS = """\
## Limits

- An apparent expression is named, as people who looked at a small grey picture labelled it; not what someone feels. Of
  five classes one is always chosen: there is no neutral face among them.
- FER2013's labels are noisy, and disgust is rare: see its row. Its pictures come from a web search of 2013; who is in
  them is not known, so nothing can be said of differences between groups of people.
- The key points were learnt from video frames of a few hundred public figures. Profiles and covered faces are worst.
- Faces are expected upright and framed as the training's; docs/{name}.md has tables of what blur, turning, covering
  and closer framing cost.
"""


def part_rows(project: Path) -> list[dict[str, object]]:
    rows = []
    for head in HEADS:
        report = read_json(project / f"reports/prepare/{head}.json")
        counts = {part: f"{report['rows'][part]:,}" for part in ("train", "validation", "test")}
        rows.append({"head": head, "split": report["protocol"], **counts, **report["leaks"]})
    return rows


def file_rows(project: Path, verdict: Mapping) -> list[dict[str, object]]:
    rows = []
    for head in HEADS:
        trained = read_json(project / f"reports/train/{head}.json")
        size = (project / verdict["models"][head]["path"]).stat().st_size
        rows.append(
            {
                "file": f"{head}.keras",
                "bytes": f"{size:,}",
                "parameters": f"{trained['parameters']:,}",
                "kept epochs": ", ".join(map(str, trained["best_epochs"])),
                "SHA-256": verdict["models"][head]["sha256"],
            }
        )
    return rows


def shifted_labels(project: Path) -> str:
    """Says so where the labels of the key points were shifted."""
    shift = YAML(typ="safe").load(project / "params.yaml")["prepare"]["keypoints"]["label_shift"]
    if not any(shift):
        return ""
    return (
        f"The labels of the key points were shifted by {shift[0]:g} px in x and {shift[1]:g} px in y, in every part:\n"
        "as published they lie to one side of the faces' own middle, as `explore` found. Against the labels as\n"
        "published, the points shifted back have the same errors.\n"
    )


def page(project: Path, verdict: Mapping, name: str, origin: str) -> str:
    """What stands beside the networks; `origin` says how they were made, if not by `dvc repro` alone."""
    sections = [
        ABOUT.format(title=SETS[name], name=name),
        "## Files\n",
        markdown_table(file_rows(project, verdict)),
        "## Data\n",
        markdown_table(part_rows(project)),
    ]
    sections.append(taught_only(read_json(project / "reports/prepare/emotion.json")))
    sections.append("The last columns are what the check for leaks found between the parts.\n\n## On test faces\n")
    for head in HEADS:
        figures = read_json(project / f"reports/metrics/{head}.json")
        how = "flip-averaged" if figures["flip_averaging"] else "no flip averaging"
        sections.append(
            f"{TITLES[head]}, {figures['test_rows']:,} faces in {figures['test_groups']:,} groups, {how}:\n"
        )
        sections.append(markdown_table(metric_rows(head, figures)))
    sections.append(shifted_labels(project))
    sections.append(f"Slices, corruptions and charts: [docs/{name}.md](../../docs/{name}.md).\n")
    revision, changed = git(project, "rev-parse", "HEAD"), git(project, "diff", "HEAD", "--unified=0", "params.yaml")
    settings = "\n".join(line for line in changed.splitlines()[4:] if not line.startswith("@@"))
    sections.append(f"## How to make them\n\n{origin.strip() or '`dvc repro` on those data sets.'}\n")
    sections.append(f"Revision {revision}, settings changed:\n\n```diff\n{settings or 'none'}\n```\n")
    return "\n".join([*sections, LIMITS.format(name=name)])


def evidence(project: Path, name: str) -> str:
    """Slices, corruptions, classes and points, with the charts, which are in the folder `name` beside the page."""
    sections = [f"# {SETS[name]} on test faces\n"]
    sections.append(
        f"Made by `python -m benchmarks.release` from the evaluation of the networks in models/{name}; the terms are\n"
        "explained in the [README](../README.md#what-the-evaluation-says). Intervals are 95% bootstrap intervals.\n"
    )
    for head in HEADS:
        reports = project / "reports/evaluate" / head
        sections.append(f"## {TITLES[head]}\n\n{markdown_table(_each(reports, head))}")
        slices = pd.read_csv(reports / "slices.csv").to_dict("records")
        sections.append(
            "### Slices\n\n" + markdown_table(_selected(row, head, ("property", "slice", "faces")) for row in slices)
        )
        ways = pd.read_csv(reports / "robustness.csv", keep_default_na=False, na_values=[""]).fillna({"unit": ""})
        rows = (_selected(row, head, ("corruption", "strength", "unit")) for row in ways.to_dict("records"))
        sections.append(f"### Corrupted, {ways['faces'].max():,} faces by lot\n\n" + markdown_table(rows))
        sections += [f"![{head}: {chart}]({name}/{head}-{chart}.png)\n" for chart in CHARTS[head]]
    return "\n".join(sections)


def _selected(row: Mapping, head: str, columns: tuple[str, ...]) -> dict[str, object]:
    return {column: row[column] for column in columns} | {name: estimated(row, name) for name in SHOWN[head]}


def _each(reports: Path, head: str) -> list[dict[str, object]]:
    if head == "keypoints":
        points = pd.read_csv(reports / "points.csv").to_dict("records")
        return [
            {"point": row["point"], "error, px": f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"}
            for row in points
        ]
    classes = pd.read_csv(reports / "classes.csv").to_dict("records")
    measures = ("precision", "recall", "f1")
    return [
        {name: row[name] for name in ("class", "faces")} | {m: estimated(row, m) for m in measures} for row in classes
    ]


def git(project: Path, *arguments: str) -> str:
    """What git says in a project, without white space around it."""
    return subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True, text=True).stdout.strip()


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())
