"""What is wrong with a settings file, a line each: file, line, key and remedy."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from params.layout import fields, key_paths, presets, schemas, section_at, section_files
from params.renamed import RENAMED_VALUES, replacement
from params.types import MODELS, Settings

NONE = {"teachers": "{}", "distillation": "null"}
"""Values of sections that DVC needs in every preset, for recipes without them."""


class SettingsFile(NamedTuple):
    """A settings file of a project's folder; `path` is relative to the folder."""

    folder: Path
    path: Path
    model: type[Settings]
    presets: tuple[str, str]
    """The names of the chosen data set and recipe."""


def lines_of(error: ValidationError, file: SettingsFile) -> list[str]:
    """A line for each error, but one only for a key that is misspelt or renamed and hence also missing."""
    errors = error.errors()
    extra = [one["loc"] for one in errors if one["type"] == "extra_forbidden"]
    # Not at the top: no key there replaces another one alone.
    renamed = {location[:-1] for location in extra if len(location) > 1 and replacement(_name(location))}
    meant = {(*location[:-1], near) for location in extra if (near := _meant(location, file))}
    told = [
        one
        for one in errors
        if one["type"] != "missing" or (one["loc"] not in meant and one["loc"][:-1] not in renamed)
    ]
    document = with_lines(file.folder / file.path)
    return [f"{place(file.folder / file.path, document, _key(one))}: {_complaint(one, file)}" for one in told]


def place(path: Path, document: Any, location: tuple[str | int, ...]) -> str:
    """The file, and the line of a key or of the last section before it that is there."""
    line = line_of(document, location)
    return f"{path}, line {line}" if line else str(path)


def line_of(document: Any, location: tuple[str | int, ...]) -> int | None:
    """1-based line of a key in a round-trip YAML document, or of its section; None for an absent key at the top."""
    line = None
    for key in location:
        try:
            positions = document.lc.data[key]
            document = document[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            return line
        line = positions[0] + 1
    return line


def with_lines(path: Path) -> Any:
    """The round-trip document of a file, which knows lines; None if it cannot be read."""
    try:
        return YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, OSError, UnicodeDecodeError):
        return None


def _name(location: tuple[str | int, ...]) -> str:
    return ".".join(map(str, location))


def _key(error: Any) -> tuple[str | int, ...]:
    """Where an error is; of a check of several sections, the key that its message begins with."""
    if error["loc"]:
        location: tuple[str | int, ...] = error["loc"]
        return location
    return tuple(_reason(error).split()[0].split("."))


def _reason(error: Any) -> str:
    if error["type"] in ("model_type", "model_attributes_type"):
        return "a section with keys is needed"
    return str(error["msg"]).removeprefix("Value error, ")


def _complaint(error: Any, file: SettingsFile) -> str:
    location, name = error["loc"], _name(error["loc"])
    if not location:
        return _reason(error)
    if error["type"] == "extra_forbidden":
        return f"{name} {_remedy_for_extra(location, file)}"
    if error["type"] == "missing":
        return f"{name} is missing; {_remedy_for_missing(name, file)}"
    renamed = RENAMED_VALUES.get(error["input"]) if isinstance(error["input"], str) else None
    now = f"; {error['input']!r} is now {renamed!r}" if renamed else ""
    return f"{name} = {error['input']!r}: {_reason(error)}{now}"


def _remedy_for_missing(name: str, file: SettingsFile) -> str:
    if name in MODELS:
        return f"a recipe has a section for each model, {' and '.join(MODELS)}; add it"
    if known := presets(file.folder, name):
        return f"add it, with one of {', '.join(known)}"
    none = NONE.get(name.rpartition(".")[2])
    return f"add it, {none} for none" if none else "add it"


def _remedy_for_extra(location: tuple[str | int, ...], file: SettingsFile) -> str:
    if new := replacement(_name(location)):
        return f"is now {new}"
    if home := _home(location, file):
        return f"belongs in {home}; move it there"
    if near := _meant(location, file):
        return f"is no setting; did you mean {near}?"
    key = str(location[-1])
    if deeper := [
        path for path in key_paths(file.model) if path[-1] == key and path[: len(location) - 1] == location[:-1]
    ]:
        return f"is no setting; did you mean {_name(deeper[0])}?"
    elsewhere = list(_elsewhere(key, file))
    if len(elsewhere) == 1:
        return f"is no setting of this file; {elsewhere[0]} is"
    return "is no setting; remove it"


def _elsewhere(key: str, file: SettingsFile) -> Iterator[str]:
    """Keys of this name in the other files."""
    for (path, _), model in schemas(*file.presets).items():
        if path != file.path:
            yield from (f"{_name(found)} in {path}" for found in key_paths(model) if found[-1] == key)


def _home(location: tuple[str | int, ...], file: SettingsFile) -> Path | None:
    """The file of a section that stands in another one."""
    home = section_files(*file.presets).get(str(location[0])) if len(location) == 1 else None
    return home if home != file.path else None


def _meant(location: tuple[str | int, ...], file: SettingsFile) -> str | None:
    """The key of the same section that a misspelt one was likely meant to be."""
    if replacement(_name(location)) or _home(location, file):
        return None
    section = section_at(file.model, [str(key) for key in location[:-1]])
    known = fields(section) if section else {}
    return next(iter(difflib.get_close_matches(str(location[-1]), known, n=1)), None)
