"""Checks the files that the settings name."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from params.distillation import RecipeEmotion, RecipeKeypoints
from params.layout import PARAMS, Params, preset_file
from params.types import MODELS, TEACHER


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
        section = getattr(settings.recipe, name)
        for key, (stage, path) in _pretrained(name, section).items():
            named[f"{recipe}: {name}.{key}"] = (stage, path)
    return named


def _pretrained(model_name: str, section: RecipeKeypoints | RecipeEmotion) -> dict[str, tuple[str, str]]:
    """Key of each file or folder under models/pretrained that a model's recipe names, with the stage that reads it."""
    named = {}
    trained = {f"teachers.{name}": ("train_teacher", teacher) for name, teacher in section.teachers.items()}
    for key, (stage, settings) in {**trained, "student": ("train", section.student)}.items():
        if settings.init_from and settings.init_from != TEACHER:
            named[f"{key}.init_from"] = (stage, settings.init_from)
        if settings.architecture.file:
            named[f"{key}.architecture.file"] = (stage, settings.architecture.file)
    for name in section.student.distillation.predictions if section.student.distillation else ():
        path = f"models/pretrained/teachers/{model_name}/{name}"
        named[f"student.distillation.predictions.{name}"] = ("predict_teacher", path)
    return named


def _stands_before(maker: str, stage: str) -> bool:
    # `sample` is all that ingest may read from; score reads from what any other stage makes.
    return maker == "sample" or (stage == "score" and maker != "score")


def _folder(path: str | dict[str, Any]) -> tuple[str, ...]:
    """The folder that a stage has to itself, `data/raw` of `data/raw/emotion.csv`."""
    return Path(path if isinstance(path, str) else next(iter(path))).parts[:2]
