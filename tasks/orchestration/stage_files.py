"""Inputs and outputs of each stage of dvc.yaml, read without DVC, which takes a second to load."""

import re
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tasks.common.files import InputError

GRAPH, SETTINGS = Path("dvc.yaml"), Path("params.yaml")
TEMPLATE = re.compile(r"\$\{([\w.]+)\}")


class StageFiles(NamedTuple):
    """Files, folders and addresses that a stage reads and writes; `cached` are the outputs that git does not track."""

    inputs: list[str]
    outputs: list[str]
    cached: list[str]


def stage_files() -> dict[str, StageFiles]:
    """Return the files by stage name, `train@emotion` for a matrix stage, in the order of dvc.yaml."""
    stages, settings = (YAML(typ="safe").load(path.read_text(encoding="utf-8")) for path in (GRAPH, SETTINGS))
    return {
        name + suffix: _files_of(stage, settings | item)
        for name, stage in stages["stages"].items()
        for suffix, item in _items(stage)
    }


def models_of(stage: str) -> list[str]:
    """Return the models for each of which dvc.yaml runs a stage; empty if it runs once, or is none of dvc.yaml's."""
    if not GRAPH.exists():
        raise InputError(f"{GRAPH}: no such file here; run in the project's folder")
    stages = YAML(typ="safe").load(GRAPH.read_text(encoding="utf-8"))["stages"]
    return [suffix.removeprefix("@") for suffix, item in _items(stages.get(stage, {})) if item]


def nothing_has_run() -> bool:
    """Return whether no cached output exists, as in a fresh clone. Outputs that git tracks do not count."""
    return not any(Path(path).exists() for files in stage_files().values() for path in files.cached)


def require_inputs(stage: str) -> None:
    """Raise InputError, with the command to run, if inputs that other stages write do not exist."""
    every = stage_files()
    makers = {Path(path): name for name, files in every.items() for path in files.outputs}
    missing = {
        path: makers[place]
        for path in (every[stage].inputs if stage in every else [])
        for place in (Path(path), *Path(path).parents)
        if place in makers and not Path(path).exists()
    }
    if missing:
        verbs = ("does", "it") if len(missing) == 1 else ("do", "them")
        command = " ".join(["dvc repro", *dict.fromkeys(missing.values())])
        raise InputError(f"{', '.join(missing)} {verbs[0]} not exist; `{command}` makes {verbs[1]}")


def _items(stage: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return a name suffix and template values for each item of the matrix; one empty pair without a matrix."""
    if "matrix" not in stage:
        return [("", {})]
    ((key, values),) = stage["matrix"].items()
    return [(f"@{value}", {"item": {key: value}}) for value in values]


def _files_of(stage: dict[str, Any], settings: dict[str, Any]) -> StageFiles:
    written = [*stage.get("outs", []), *stage.get("metrics", [])]
    # An output with options is a mapping from its path to them.
    options_of = {
        _resolved(path, settings): options
        for one in written
        for path, options in (one.items() if isinstance(one, dict) else [(one, {})])
    }
    cached = [path for path, options in options_of.items() if options.get("cache", True)]
    return StageFiles([_resolved(path, settings) for path in stage.get("deps", [])], list(options_of), cached)


def _resolved(path: str, settings: dict[str, Any]) -> str:
    return TEMPLATE.sub(lambda found: str(reduce(getitem, found[1].split("."), settings)), path)
