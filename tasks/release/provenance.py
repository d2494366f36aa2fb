"""How the files of a model set came about: what DVC recorded of each stage, and what was made outside the pipeline."""

import hashlib
import json
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from ruamel.yaml import YAML

from tasks.common.files import InputError, sha256
from tasks.common.text_escaping import markdown
from tasks.release.model_card import markdown_table

TARGETS = ("gate", "report@keypoints", "report@emotion")
"""The stages whose outputs a release has: the models that `gate` passed, and the charts."""
CODE = ("faces/", "flows/", "params/", "tasks/")
PRETRAINED = "models/pretrained"
"""Files that no stage makes: weights that a training starts with, and predictions of teachers."""
WEIGHTS = "model.weights.h5"
"""The weights inside a `.keras` file."""
MOST_ABOUT_BYTES = 1_000_000


class Run(NamedTuple):
    """The run behind a model set. `settings`: each settings file by its name in the set; `stages`: of `dvc.lock`."""

    name: str
    revision: str
    gate_result: dict[str, Any]
    stages: dict[str, Any]
    settings: dict[str, Path]
    changed_settings: str

    @property
    def recorded(self) -> dict[str, str]:
        """The MD5 of every output of these stages, by path."""
        return {out["path"]: out["md5"] for stage in self.stages.values() for out in stage.get("outs", [])}

    @property
    def inputs(self) -> dict[str, str]:
        """The MD5 of every input, code left out, that none of these stages makes; "" for an address without one."""
        deps = {dep["path"]: dep.get("md5", "") for stage in self.stages.values() for dep in stage.get("deps", [])}
        made = [PurePosixPath(path) for path in self.recorded]
        return {
            path: md5
            for path, md5 in deps.items()
            if not path.startswith(CODE) and not any(_overlap(PurePosixPath(path), out) for out in made)
        }


def recorded_stages(lock: Path) -> dict[str, Any]:
    """The entries of `dvc.lock` that TARGETS depend on, and theirs, in the order of a run.

    Raises InputError if one of TARGETS has no entry.
    """
    entries = YAML(typ="safe").load(lock)["stages"] if lock.is_file() else {}
    if missing := [target for target in TARGETS if target not in entries]:
        raise InputError(f"{lock} has no record of {', '.join(missing)}; `dvc repro {' '.join(missing)}` runs them")
    needs: dict[str, list[str]] = {}
    pending = list(TARGETS)
    while pending:
        name = pending.pop()
        if name not in needs:
            needs[name] = _makers(entries, name)
            pending += needs[name]
    return {name: entries[name] for name in TopologicalSorter(dict(sorted(needs.items()))).static_order()}


def _makers(entries: Mapping[str, Any], name: str) -> list[str]:
    """The stages that write what a stage reads: the same path, one inside it, or a folder around it."""
    read = [PurePosixPath(dep["path"]) for dep in entries[name].get("deps", [])]
    made = ((maker, PurePosixPath(out["path"])) for maker, entry in entries.items() for out in entry.get("outs", []))
    return sorted({maker for maker, out in made if maker != name and any(_overlap(out, dep) for dep in read)})


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one == other or one in other.parents or other in one.parents


def flatten(content: Any, key: str = "") -> dict[str, str]:
    """Values of a nested mapping as text, by dotted key; a list of plain values is one text."""
    if isinstance(content, list) and any(isinstance(each, (Mapping, list)) for each in content):
        content = dict(enumerate(content, 1))
    if isinstance(content, Mapping):
        within = ((f"{key}.{name}" if key else str(name), each) for name, each in content.items())
        return {path: text for name, each in within for path, text in flatten(each, name).items()}
    return {key: ", ".join(map(str, content)) if isinstance(content, list) else str(content)}


def key_table(content: Any) -> str:
    """A Markdown table of the values of a nested mapping."""
    rows = [{"key": markdown(key), "value": markdown(text)} for key, text in flatten(content).items()]
    return markdown_table(rows) if rows else "Nothing is recorded.\n"


def weights_origin(model_name: str, student: Mapping[str, Any], model: Path) -> str:
    """A sentence on where the weights of a trained model come from, by its settings.

    Raises InputError if the file of `init_from` is not there, so that its hash cannot be stated.
    """
    stage, epochs = f"`train@{model_name}`", student.get("epochs")
    distillation = student.get("distillation") or {}
    source = student.get("init_from") or ("teacher" if distillation.get("init_from_teacher") else None)
    if source is None:
        begin = "random initial weights"
    elif source == "teacher":
        begin = "the weights of its teacher"
    else:
        path = _initial_file(model_name, str(source))
        begin = f"`{path}` (SHA-256 `{sha256(path)}`)"
        if epochs == 0:
            return _taken_over(path, model, begin)
    if epochs == 0:
        return f"{stage} saved {begin} as they are: `epochs: 0`, so it trained nothing.\n"
    return f"{stage} trained it, from {begin}, for at most {epochs} epochs.\n"


def _initial_file(model_name: str, source: str) -> Path:
    for path in (Path(source), Path(PRETRAINED, source)):
        if path.is_file():
            return path
    raise InputError(f"{source}: {model_name}.student.init_from names it, and there is no such file; restore it first")


def _taken_over(source: Path, model: Path, begin: str) -> str:
    """The sentences on a model with `init_from` and `epochs: 0`, which compare the weights inside both files."""
    before, after = _weights_hash(source), _weights_hash(model)
    if before and before == after:
        return (
            f"Weights taken unchanged from {begin}, not trained by this pipeline: `epochs: 0`. `{WEIGHTS}` inside both "
            f"files is the same (SHA-256 `{after}`).\n"
        )
    return (
        f"Weights taken from {begin}, not trained by this pipeline: `epochs: 0`. The weights inside the two files are "
        f"not the same bytes (SHA-256 `{before}` before, `{after}` after), so saving changed their layout, or batch "
        "normalization statistics were updated.\n"
    )


def _weights_hash(path: Path) -> str | None:
    """SHA-256 of the weights inside a `.keras` file; None for another format."""
    try:
        with ZipFile(path) as archive, archive.open(WEIGHTS) as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]
    except (BadZipFile, KeyError):
        return None


def outside_files(stages: Mapping[str, Any]) -> str:
    """A section on the files in models/pretrained that the stages read; "" if they read none."""
    read = {dep["path"] for stage in stages.values() for dep in stage.get("deps", [])}
    roots = [Path(path) for path in sorted(read) if PurePosixPath(path).is_relative_to(PRETRAINED)]
    files = sorted(
        {file for root in roots for file in ([root] if root.is_file() else root.rglob("*")) if file.is_file()}
    )
    if not files:
        return ""
    rows = [{"file": f"`{file}`", "bytes": f"{file.stat().st_size:,}", "SHA-256": sha256(file)} for file in files]
    sections = [
        "## Made outside this pipeline\n\nThe stages read these files and do not make them:\n",
        markdown_table(rows),
    ]
    for about in (file for file in files if file.name == "about.json"):
        if about.stat().st_size > MOST_ABOUT_BYTES:
            raise InputError(f"{about}: over {MOST_ABOUT_BYTES:,} bytes; it describes a folder, keep it short")
        sections.append(f"`{about.parent}` holds predictions or weights that were committed. Its `about.json` says:\n")
        sections.append(key_table(json.loads(about.read_text(encoding="utf-8"))))
    return "\n".join(sections)


def stage_sections(stages: Mapping[str, Any]) -> str:
    """For every stage its command, and the hashes of its inputs and outputs; code is left to the git revision."""
    sections = []
    for name, stage in stages.items():
        code = sum(dep["path"].startswith(CODE) for dep in stage.get("deps", []))
        rows = [_row("input", dep) for dep in stage.get("deps", []) if not dep["path"].startswith(CODE)]
        rows += [_row("output", out) for out in stage.get("outs", [])]
        read = f", {code} files and folders of code" if code else ""
        settings = ", ".join(f"`{file}`" for file in stage.get("params", {}))
        sections.append(f"### {name}\n\n`{stage['cmd']}`{read}{f', settings of {settings}' if settings else ''}\n")
        sections.append(markdown_table(rows) if rows else "")
    return "\n".join(filter(None, sections))


def _row(kind: str, entry: Mapping[str, Any]) -> dict[str, object]:
    size = f"{entry['size']:,}" if "size" in entry else ""
    return {"": kind, "path": f"`{entry['path']}`", "bytes": size, "MD5": entry.get("md5") or entry.get("etag", "")}
