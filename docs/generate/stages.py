"""The page of stages: what each reads, watches and writes, from dvc.yaml."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = ("flows", "tasks", "faces")

INTRODUCTION = """\
# Stages and outputs

`python -m docs.generate` writes this page and the figure from `dvc.yaml`.

![The stages of the pipeline and what each needs](../pipeline.svg)

*An arrow points from a stage to one that needs its outputs; arrows that follow from others are left out. Stages marked
x 2 run once for each model, as `prepare@keypoints` and `prepare@emotion`.*

`dvc repro STAGE` runs a stage and what it needs, if it is out of date. `faces run STAGE [MODEL]` runs one stage by
itself. Each stage also depends on the modules that it imports; `dvc.yaml` lists them. `MODEL` stands for `keypoints`
and `emotion`, `${dataset}` and `${recipe}` for the presets that `params.yaml` chooses.

Outputs are stored in DVC's cache, except those marked *git*, which are small and reviewed by people.
"""


def stages() -> dict[str, Any]:
    """Return the stages of dvc.yaml, in its order."""
    content: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return content


def page() -> str:
    """Return the page: a section per stage."""
    return INTRODUCTION + "".join(_section(name, stage) for name, stage in stages().items())


def _section(name: str, stage: dict[str, Any]) -> str:
    models = " Runs once per model." if "matrix" in stage else ""
    lines = [f"\n## {name}\n", f"\n{stage['desc']}{models}\n"]
    for title, items in (("Reads", inputs(stage)), ("Settings", _settings(stage)), ("Writes", _outputs(stage))):
        if items:
            lines += [f"\n{title}:\n\n", *(f"- {item}\n" for item in items)]
    return "".join(lines)


def _name(path: str) -> str:
    return path.replace("${item.model}", "MODEL")


def inputs(stage: dict[str, Any]) -> list[str]:
    """Return the files that a stage reads, without code."""
    data = [one for one in stage.get("deps", []) if one.split("/")[0] not in CODE]
    return [f"`{_name(one)}`" for one in data]


def _settings(stage: dict[str, Any]) -> list[str]:
    found = []
    for one in stage.get("params", []):
        for path, keys in one.items() if isinstance(one, dict) else [("params.yaml", [one])]:
            found.append(f"`{path}`: " + ", ".join(f"`{_name(key)}`" for key in keys))
    return found


def _outputs(stage: dict[str, Any]) -> list[str]:
    found = []
    for one in [*stage.get("outs", []), *stage.get("metrics", [])]:
        path, options = next(iter(one.items())) if isinstance(one, dict) else (one, {})
        found.append(f"`{_name(path)}`" + ("" if options.get("cache", True) else " (git)"))
    return found
