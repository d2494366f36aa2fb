"""Reads and checks the settings of a project's folder."""

import difflib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from params.layout import PARAMS, PRESETS, Params, preset_file, presets, schemas
from params.messages import SettingsFile, lines_of, place, with_lines
from params.renamed import RENAMED_VALUES
from params.sources import wrong_sources
from params.types import SettingsError

UNKNOWN = "NAME"
"""Stands for a preset that is not known, in messages."""


def load(folder: Path = Path(), **chosen_instead: str) -> Params:
    """The settings of a project's folder. Raises SettingsError, with one line for each thing that is wrong.

    `dataset` and `recipe` name presets instead of those in params.yaml.
    """
    lines: list[str] = []
    content = _read(folder / PARAMS, lines)
    if content is not None:
        content |= chosen_instead
    chosen = {kind: _preset(folder, kind, content or {}, lines) for kind in ("dataset", "recipe")}
    if not (folder / PRESETS).is_dir():
        lines.append(f"{folder / PRESETS} is missing; run from the project's folder, or `git restore {PRESETS}`")
    parts = _parts(folder, content, chosen, lines)
    if lines:
        raise SettingsError("\n".join(lines))
    run = parts["params"]
    return Params(
        dataset_name=run.dataset,
        recipe_name=run.recipe,
        sample=parts["sample"].sample,
        dataset=parts["dataset"],
        recipe=parts["recipe"],
        **{name: getattr(run, name) for name in ("ingest", "score", "report_predictions", "promote", "pipeline")},
    )


def check() -> None:
    """Check the settings of the current folder and the files that they name, before any stage reads them.

    Raises SettingsError, with one line for each thing that is wrong.
    """
    if lines := wrong_sources(load()):
        raise SettingsError("\n".join(lines))


def _preset(folder: Path, kind: str, content: dict[str, Any], lines: list[str]) -> str | None:
    """The name of the chosen preset; None if there is no such file."""
    name, known = content.get(kind), presets(folder, kind)
    if not isinstance(name, str) or name in known:
        return name if isinstance(name, str) else None
    if known:
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        now = f"it is now {RENAMED_VALUES[name]}; " if name in RENAMED_VALUES else ""
        where = place(folder / PARAMS, with_lines(folder / PARAMS), (kind,))
        remedy = f"{guess}name one of {', '.join(known)}, or copy one of these files"
        lines.append(f"{where}: {kind} = {name!r}: {now}{PRESETS / kind} has no preset of this name; {remedy}")
    elif (folder / PRESETS).is_dir():
        lines.append(f"{folder / PRESETS / kind} has no presets; `git restore {PRESETS}`")
    return None


def _parts(
    folder: Path, content: dict[str, Any] | None, chosen: dict[str, str | None], lines: list[str]
) -> dict[str, Any]:
    """Each file's validated content by its name in `schemas`; what is wrong is appended to `lines`."""
    names = (chosen["dataset"] or UNKNOWN, chosen["recipe"] or UNKNOWN)
    contents, parts = {PARAMS: content}, {}
    for (path, part), model in schemas(*names).items():
        if path.stem == UNKNOWN or (path != PARAMS and not (folder / PRESETS).is_dir()):
            continue
        if path not in contents:
            contents[path] = _read(folder / path, lines)
        document = contents[path]
        if document is None:
            continue
        try:
            parts[part] = model.model_validate(_own(document, part))
        except ValidationError as error:
            lines += lines_of(error, SettingsFile(folder, path, model, names))
    _check_copied_sample(folder, names[0], contents, lines)
    return parts


def _own(document: dict[str, Any], part: str) -> dict[str, Any]:
    """The part of a file: of a data set's, without or with only the section `sample`."""
    if part in ("sample", "dataset"):
        return {key: value for key, value in document.items() if (key == "sample") == (part == "sample")}
    return document


def _check_copied_sample(folder: Path, dataset: str, contents: dict[Path, Any], lines: list[str]) -> None:
    """A copy of sample.yaml has the section `sample`, which nothing reads, so it may not differ."""
    path, read = preset_file("dataset", dataset), preset_file("dataset", "sample")
    copied, used = (contents.get(one) or {} for one in (path, read))
    if "sample" in copied and copied["sample"] != used.get("sample"):
        where = place(folder / path, with_lines(folder / path), ("sample",))
        lines.append(f"{where}: sample differs from that of {read}, the only one that is read; remove it here")


def _read(path: Path, lines: list[str]) -> dict[str, Any] | None:
    """The content of a YAML file; None if it has none, with the reason appended to `lines`."""
    try:
        # DVC reads them in the same way. It takes a quarter of the time of reading with lines.
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        lines.append(f"{path} is missing; run from the project's folder, or `git restore {path}`")
    except OSError as error:
        lines.append(f"{path} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        lines.append(f"{path} is not valid YAML: it is not encoded in UTF-8")
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        lines.append(f"{path}{line}: not valid YAML: {error.problem or error.context}")
    except YAMLError as error:
        lines.append(f"{path}: not valid YAML: {' '.join(str(error).split())}")
    else:
        if isinstance(content, dict):
            return content
        lines.append(f"{path} has no settings; sections with keys are needed")
    return None
