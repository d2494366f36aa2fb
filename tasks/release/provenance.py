"""How the files of a model set came about: what DVC recorded of each stage, and what was made outside the pipeline."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from tasks.common.files import InputError, sha256
from tasks.common.text_escaping import markdown
from tasks.operations.dvc_graph import overlap
from tasks.release.model_card import markdown_table

TARGETS = ("gate", "report@keypoints", "report@emotion")
"""The stages whose outputs a release has: the models that `gate` passed, and the charts."""
CODE = ("faces/", "flows/", "params/", "tasks/")
PRETRAINED = "models/pretrained"
"""Files that no stage makes: weights that a training starts with, and predictions of teachers."""
KEPT = ".gitkeep"
"""A file without content that keeps a folder in git."""
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
        """The MD5 of every input, code left out, that none of these stages makes; "" for an address without one.

        Folders without content are left out too.
        """
        listed = [dep for stage in self.stages.values() for dep in stage.get("deps", []) if dep.get("size") != 0]
        deps = {dep["path"]: dep.get("md5", "") for dep in listed}
        made = [PurePosixPath(path) for path in self.recorded]
        return {
            path: md5
            for path, md5 in deps.items()
            if not path.startswith(CODE) and not any(overlap(PurePosixPath(path), out) for out in made)
        }


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


def origin_sections(model_name: str, recipe: Mapping[str, Any]) -> str:
    """Sentences on where the weights of a model and of each of its teachers come from, by its recipe.

    Raises InputError if a file that the recipe names is not there, so that its hash cannot be stated.
    """
    student, trained = recipe.get("student") or {}, Path("models/trained", f"{model_name}.keras")
    lines = [weights_origin(f"train@{model_name}", student, trained)]
    for name, teacher in (recipe.get("teachers") or {}).items():
        file = Path("models/teachers", model_name, f"{name}.keras")
        lines.append(f"Teacher {name}: {weights_origin(f'train_teacher@{model_name}', teacher, file)}")
    for name in (student.get("distillation") or {}).get("predictions") or ():
        folder = f"{PRETRAINED}/teachers/{model_name}/{name}"
        lines.append(f"Teacher {name}: not trained by this pipeline. Its predictions, `{folder}`, were committed.\n")
    return "\n".join(lines)


def weights_origin(stage: str, settings: Mapping[str, Any], model: Path) -> str:
    """A sentence on where the weights of the model file come from, which a stage made by these settings."""
    epochs, source = settings.get("epochs"), settings.get("init_from")
    backbone = (settings.get("architecture") or {}).get("file")
    if (settings.get("distillation") or {}).get("init_from_teacher"):
        source = "teacher"
    if source and source != "teacher":
        path = _named_file(stage, str(source))
        begin = f"`{path}` (SHA-256 `{sha256(path)}`)"
        if epochs == 0:
            return _taken_over(path, model, begin)
    elif source:
        begin = "the weights of its first teacher"
    elif backbone:
        path = _named_file(stage, str(backbone))
        begin = f"the backbone `{path}` (SHA-256 `{sha256(path)}`) and a new output layer"
    else:
        begin = "random initial weights"
    if epochs == 0:
        return f"`{stage}` saved {begin} as they are: `epochs: 0`, so it trained nothing.\n"
    return f"`{stage}` trained it, from {begin}, for at most {epochs} epochs.\n"


def _named_file(stage: str, name: str) -> Path:
    if (path := Path(name)).is_file():
        return path
    raise InputError(f"{name}: the settings of {stage} name it, and there is no such file; restore it first")


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
        {
            file
            for root in roots
            for file in ([root] if root.is_file() else root.rglob("*"))
            if file.is_file() and file.name != KEPT
        }
    )
    if not files:
        return ""
    rows = [{"file": f"`{file}`", "bytes": f"{file.stat().st_size:,}", "SHA-256": sha256(file)} for file in files]
    sections = [
        "## Made outside this pipeline\n\nNo stage makes these files. The sections above say which of them are used:\n",
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
        read = f", code dependencies: {code}" if code else ""
        settings = ", ".join(f"`{file}`" for file in stage.get("params", {}))
        sections.append(f"### {name}\n\n`{stage['cmd']}`{read}{f', settings of {settings}' if settings else ''}\n")
        sections.append(markdown_table(rows) if rows else "")
    return "\n".join(filter(None, sections))


def _row(kind: str, entry: Mapping[str, Any]) -> dict[str, object]:
    size = f"{entry['size']:,}" if "size" in entry else ""
    return {"": kind, "path": f"`{entry['path']}`", "bytes": size, "MD5": entry.get("md5") or entry.get("etag", "")}
