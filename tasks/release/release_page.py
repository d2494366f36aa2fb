"""The pages of a released model set, written from its run: README.md, and the evaluation with its charts."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from params import MODELS
from tasks.common.files import sha256
from tasks.common.text_escaping import markdown
from tasks.release.model_card import TITLES, USE, auxiliary_classes, format_interval, markdown_table, metric_rows
from tasks.release.provenance import TARGETS, Run, key_table, origin_sections, outside_files, stage_sections

CHARTS = {
    "keypoints": ("ced_curve", "per_keypoint_error", "slices", "robustness"),
    "emotion": ("confusion", "reliability", "risk_coverage", "slices", "robustness"),
}
"""Figures of reports/figures that show no faces."""
SHOWN = {"keypoints": ("nme", "rmse_px"), "emotion": ("accuracy", "macro_f1")}
REPORTS = ("train_teacher", "train")
"""Folders of reports/ whose MODEL.json says how, where and with which versions a model was trained."""

INTRODUCTION = """\
# Model set {name}

Two models: one predicts 15 keypoints of a face, the other one of these emotions: {classes}. In a checkout that has
this folder at `models/{name}`, `faces score PHOTO --model-set {name} --out scored` uses them. `gate.json` has the hash
of each file, the precision, and how it was evaluated: with or without flip TTA, and at which temperature.

`faces release {name}` wrote this page and every file beside it from one run of the pipeline, at revision `{revision}`.
"""
WHAT_THEY_ARE = """\
`gate.json` is `reports/gate.json` with the paths of this set. `provenance.json` has the entries of `dvc.lock` behind
these files, with the hashes of code and the values of settings. `evaluation.md` was written with this page. All other
files are copies: models of `models/trained`, metrics of `reports/metrics`, charts of `reports/figures`, and settings.
"""
AGAIN = """\
## How to make it again

`$SET` is a copy of this folder outside the checkout. The training stages may end in other digits on another processor,
device or library version than those above. Compare with the hashes on this page.

```
git checkout {revision}
make .venv/installed
cp $SET/params.yaml params.yaml
cp $SET/dataset.yaml {dataset}
cp $SET/recipe.yaml {recipe}
{inputs}
dvc repro {targets}
faces release {name}
```
"""


def page(run: Run, folder: Path) -> str:
    """README.md of the set whose other files are in `folder`."""
    classes = run.gate_result["classes"]
    recipe, dataset = (YAML(typ="safe").load(run.settings[name]) for name in ("recipe.yaml", "dataset.yaml"))
    neutral = "" if "neutral" in classes else "; there is no neutral class"
    sections = [
        INTRODUCTION.format(name=run.name, revision=run.revision, classes=", ".join(classes)),
        f"## Files\n\n{markdown_table(_file_rows(folder))}",
        WHAT_THEY_ARE,
        *_terms(dataset),
        *_data(run),
        *(section for model_name in MODELS for section in _test_metrics(model_name)),
        "[evaluation.md](evaluation.md) has slices, corruptions, the checks of the gate, and charts.\n",
        USE.format(neutral=neutral),
        "## Where the weights come from\n",
        *(_origin(model_name, recipe.get(model_name) or {}) for model_name in MODELS),
        outside_files(run.stages),
        "## Reports of training: machine, versions, epochs\n",
        *_machine(run),
        _changes(run),
        AGAIN.format(
            name=run.name,
            revision=run.revision,
            dataset=run.settings["dataset.yaml"],
            recipe=run.settings["recipe.yaml"],
            inputs="\n".join(_inputs(run)),
            targets=" ".join(TARGETS),
        ),
        "## Stages\n\nIn the order of the run, as `dvc.lock` recorded them. The revision fixes their code.\n",
        stage_sections(run.stages),
    ]
    return "\n".join(filter(None, sections))


def _file_rows(folder: Path) -> list[dict[str, object]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    return [
        {"file": path.relative_to(folder).as_posix(), "bytes": f"{path.stat().st_size:,}", "SHA-256": sha256(path)}
        for path in files
    ]


def _terms(dataset: Mapping[str, Any]) -> Iterator[str]:
    licences = dataset["gate"]["license"]
    yield "## Terms\n\nThe licence of the code does not extend to these files. Data that the models were made from:\n"
    yield "".join(f"- {TITLES[model_name]}: {markdown(str(licences[model_name]))}\n" for model_name in MODELS)


def _data(run: Run) -> Iterator[str]:
    rows, prepared = [], {name: _read(f"reports/prepare/{name}.json") for name in MODELS}
    for model_name, report in prepared.items():
        counts = {split: f"{report['rows'][split]:,}" for split in ("train", "validation", "test")}
        rows.append({"model": model_name, "strategy": report["strategy"], **counts, **report["leakage"]})
    yield f"## Data\n\n{markdown_table(rows)}"
    yield "The columns after the split sizes are the results of the leakage check.\n"
    yield auxiliary_classes(prepared["emotion"], Path("reports/evaluate/emotion/calibration.json"))


def _test_metrics(model_name: str) -> Iterator[str]:
    metrics = _read(f"reports/metrics/{model_name}.json")
    count = f"{metrics['num_test_samples']:,} test faces in {metrics['num_test_groups']:,} groups"
    how = metrics["precision"] + (", with flip TTA" if metrics["flip_tta"] else ", without TTA")
    yield f"## {TITLES[model_name]} on test faces\n\n{count}, {how}. Intervals are 95% bootstrap intervals.\n"
    yield markdown_table(metric_rows(model_name, metrics))


def _origin(model_name: str, recipe: Mapping[str, Any]) -> str:
    settings = {name: recipe[name] for name in ("student", "teachers") if recipe.get(name)}
    origin = origin_sections(model_name, recipe)
    return f"### {TITLES[model_name]}\n\n{origin}\nSettings of its recipe:\n\n{key_table(settings)}"


def _machine(run: Run) -> Iterator[str]:
    """What the reports of the training stages hold; a recipe without teachers, or an earlier version, has fewer."""
    for report in (f"reports/{folder}/{model_name}.json" for folder in REPORTS for model_name in MODELS):
        if report in run.recorded:
            yield f"`{report}`:\n\n{key_table(_read(report))}"


def _changes(run: Run) -> str:
    named = ", ".join(f"`{name}` is a copy of `{path}`" for name, path in run.settings.items())
    if not run.changed_settings:
        return f"## Settings\n\n{named}. They are those of the revision.\n"
    return f"## Settings\n\n{named}. Changed since the revision:\n\n```diff\n{run.changed_settings}\n```\n"


def _inputs(run: Run) -> Iterator[str]:
    """A comment per input that no stage makes, code left out: raw tables, and files of models/pretrained."""
    for path, md5 in run.inputs.items():
        kind = "a folder whose hash in DVC is" if md5.endswith(".dir") else "a file with the MD5"
        yield f"# {path}: " + (f"{kind} {md5}" if md5 else "see its stage")


def evaluation(run: Run) -> str:
    """evaluation.md: checks of the gate, classes and points, slices and corruptions, with links to the charts."""
    sections = [f"# Model set {run.name} on test faces\n\n[README.md](README.md) describes the set.\n"]
    checks = [{name: _number(value) for name, value in check.items()} for check in run.gate_result["checks"]]
    sections.append(f"## Checks of the gate\n\n{markdown_table(checks)}" if checks else "")
    for model_name in MODELS:
        reports = Path("reports/evaluate") / model_name
        sections.append(f"## {TITLES[model_name]}\n\n{markdown_table(_classes_or_points(reports, model_name))}")
        slices = pd.read_csv(reports / "slices.csv").to_dict("records")
        rows = [_selected(row, model_name, ("property", "slice", "faces")) for row in slices]
        sections.append(f"### Slices\n\n{markdown_table(rows)}")
        table = pd.read_csv(reports / "robustness.csv", keep_default_na=False, na_values=[""]).fillna({"unit": ""})
        rows = [_selected(row, model_name, ("corruption", "strength", "unit")) for row in table.to_dict("records")]
        faces = f"{table['faces'].max():,}"
        sections.append(f"### Corruptions, on a random sample of {faces} faces\n\n{markdown_table(rows)}")
        sections += [f"![{model_name}: {chart}](charts/{model_name}-{chart}.png)\n" for chart in CHARTS[model_name]]
    return "\n".join(filter(None, sections))


def _number(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else value


def _selected(row: Mapping, model_name: str, columns: tuple[str, ...]) -> dict[str, object]:
    return {name: row[name] for name in columns} | {each: format_interval(row, each) for each in SHOWN[model_name]}


def _classes_or_points(reports: Path, model_name: str) -> list[dict[str, object]]:
    if model_name == "keypoints":
        points = pd.read_csv(reports / "per_keypoint_error.csv").to_dict("records")
        return [
            {"point": row["point"], "error, px": f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"}
            for row in points
        ]
    classes = pd.read_csv(reports / "classes.csv").to_dict("records")
    measures = ("precision", "recall", "f1")
    return [
        {name: row[name] for name in ("class", "faces")} | {each: format_interval(row, each) for each in measures}
        for row in classes
    ]


def _read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(path).read_text())
    return content
