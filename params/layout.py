"""All settings together, and which file holds which key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

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
    return {field.alias or name: _subsection(field.annotation) for name, field in model.model_fields.items()}


def _subsection(annotation: Any) -> type[Settings] | None:
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, Settings)), None)


def key_paths(model: type[Settings], parent: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key, of sections and of values."""
    for key, section in fields(model).items():
        yield (*parent, key)
        if section:
            yield from key_paths(section, (*parent, key))
