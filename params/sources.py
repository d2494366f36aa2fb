"""Checks the files that the settings name."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from params.layout import PARAMS, Params, preset_file
from params.types import MODELS


def wrong_sources(settings: Params, graph: Path = Path("dvc.yaml")) -> list[str]:
    """A line for each file that the settings name, and that is neither there nor made by a stage before it is read."""
    if not graph.exists():
        return [f"{graph}: no such file here; run in the project's folder"]
    stages = YAML(typ="safe").load(graph.read_text(encoding="utf-8"))["stages"]
    made = {stage: [_folder(out) for out in entry.get("outs", [])] for stage, entry in stages.items()}
    lines = []
    for key, (stage, source) in _named(settings).items():
        maker = next((name for name, folders in made.items() if _folder(source) in folders), None)
        if "://" in source or (maker and _stands_before(maker, stage)):
            continue
        if maker:
            lines.append(f"{key} = {source!r}: the stage {maker} makes it anew; name a copy elsewhere")
        elif not Path(source).exists():
            lines.append(f"{key} = {source!r}: there is no such file; correct the path")
        elif not (Path(source).is_file() or Path(source).is_dir()):
            lines.append(f"{key} = {source!r}: neither a file nor a folder; correct the path")
    return lines


def _named(settings: Params) -> dict[str, tuple[str, str]]:
    """File and key of each source, with the stage that reads it."""
    named = {f"{PARAMS}: ingest.{name}": ("ingest", getattr(settings.ingest, name)) for name in MODELS}
    named[f"{PARAMS}: score.input"] = ("score", settings.score.input)
    if settings.score.detector.file:
        named[f"{PARAMS}: score.detector.file"] = ("score", settings.score.detector.file)
    recipe = preset_file("recipe", settings.recipe_name)
    for name in MODELS:
        if teacher := getattr(settings.recipe, name).student.distillation:
            named[f"{recipe}: {name}.student.distillation.file"] = ("train", teacher.file)
    return named


def _stands_before(maker: str, stage: str) -> bool:
    # `sample` is all that ingest may read from; score reads from what any other stage makes.
    return maker == "sample" or (stage == "score" and maker != "score")


def _folder(path: str | dict[str, Any]) -> tuple[str, ...]:
    """The folder that a stage has to itself, `data/raw` of `data/raw/emotion.csv`."""
    return Path(path if isinstance(path, str) else next(iter(path))).parts[:2]
