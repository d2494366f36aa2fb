"""All settings together, and which file holds which key."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from params.dataset import Dataset, Sample, SampleSection
from params.recipe import Recipe
from params.run import Ingest, ParamsFile, Pipeline, Promote, ReportPredictions, Score
from params.types import Settings

PARAMS, PRESETS = Path("params.yaml"), Path("conf")


class Params(Settings):
    """`dataset_name` and `recipe_name` are the presets that `dataset` and `recipe` were read from."""

    dataset_name: str
    recipe_name: str
    sample: Sample
    dataset: Dataset
    recipe: Recipe
    ingest: Ingest
    score: Score
    report_predictions: ReportPredictions
    promote: Promote
    pipeline: Pipeline


def preset_file(kind: str, name: str) -> Path:
    """The file of a preset; `kind` is `dataset` or `recipe`."""
    return PRESETS / kind / f"{name}.yaml"


def presets(folder: Path, kind: str) -> list[str]:
    """Names of all presets of a kind in a project's folder."""
    return sorted(path.stem for path in (folder / PRESETS / kind).glob("[!.]*.yaml"))


def schemas(dataset: str, recipe: str) -> dict[tuple[Path, str], type[Settings]]:
    """The schema of each settings file, by its path and a name of its content. Each key is in exactly one of them.

    The section `sample` is always read from `conf/dataset/sample.yaml`: the stage `sample` draws these tables, whatever
    data set is chosen.
    """
    return {
        (PARAMS, "params"): ParamsFile,
        (preset_file("dataset", "sample"), "sample"): SampleSection,
        (preset_file("dataset", dataset), "dataset"): Dataset,
        (preset_file("recipe", recipe), "recipe"): Recipe,
    }


def section_files(dataset: str, recipe: str) -> dict[str, Path]:
    """The file of each top-level key, with these presets."""
    return {key: path for (path, _), model in schemas(dataset, recipe).items() for key in fields(model)}


def fields(model: type[Settings]) -> dict[str, type[Settings] | None]:
    """Keys of a section, each with the schema of the subsection; None for a value."""
    return {field.alias or name: subsection(field.annotation) for name, field in model.model_fields.items()}


def subsection(annotation: Any) -> type[Settings] | None:
    """The schema of a key's subsection, or of each entry of a section whose keys the user names; None for a value."""
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, Settings)), None)


def has_named_entries(model: type[Settings], key: str) -> bool:
    """Whether the user names the keys of a subsection, such as the teachers'."""
    field = next((field for name, field in model.model_fields.items() if (field.alias or name) == key), None)
    return field is not None and get_origin(field.annotation) is dict


def section_at(model: type[Settings], location: Sequence[str]) -> type[Settings] | None:
    """The schema of the section at a path of keys; None for a value, or where the user names the keys."""
    section: type[Settings] | None = model
    entry: type[Settings] | None = None
    for key in location:
        if entry:
            section, entry = entry, None
        elif section:
            found = fields(section).get(key)
            section, entry = (None, found) if has_named_entries(section, key) else (found, None)
    return section


def key_paths(model: type[Settings], parent: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key, of sections and of values; NAME stands for a key that the user chooses."""
    for key, section in fields(model).items():
        yield (*parent, key)
        if section:
            yield from key_paths(section, (*parent, key, "NAME") if has_named_entries(model, key) else (*parent, key))
