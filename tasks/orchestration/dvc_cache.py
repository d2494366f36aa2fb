"""Which inputs of a stage differ from the files that DVC recorded, and how to restore them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LOCK, CACHE = Path("dvc.lock"), Path(".dvc/cache/files/md5")


def inputs(stage: str) -> list[str]:
    """Return a message for each input of `stage` that another stage wrote and whose hash differs from `dvc.lock`."""
    try:
        stages: dict[str, Any] = YAML(typ="safe", pure=True).load(LOCK.read_text(encoding="utf-8"))["stages"]
        read = {Path(dep["path"]) for dep in stages[stage].get("deps", [])}
        made = [(maker, out) for maker, entry in stages.items() for out in entry.get("outs", [])]
        return [
            _line(path, md5, maker)
            for maker, out in made
            if maker != stage and "md5" in out
            for path, md5 in _files(Path(out["path"]), out["md5"])
            if not read.isdisjoint((path, *path.parents)) and path.is_file() and _md5(path) != md5
        ]
    except (OSError, YAMLError, AttributeError, ValueError, KeyError, TypeError):
        return []


def _files(path: Path, md5: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of an output and their MD5; a folder's are listed in the cache."""
    if not md5.endswith(".dir"):
        yield path, md5
    elif (listing := _cached(md5)).is_file():
        yield from ((path / entry["relpath"], entry["md5"]) for entry in json.loads(listing.read_text()))


def _line(path: Path, md5: str, maker: str) -> str:
    cached = _cached(md5)
    fault = f"{path} is not the file that {LOCK} records"
    if cached.is_file() and _md5(cached) == md5:
        return f"{fault}; `dvc checkout --force {path}` restores it"
    remake = f"`dvc pull --force {path}` or `dvc repro --force --single-item {maker}`"
    if cached.is_file():
        return f"{fault}: its copy in DVC's cache is damaged. Remove {cached} and {path}, then run {remake}"
    return f"{fault}; {remake} recreates it"


def _cached(md5: str) -> Path:
    return CACHE / md5[:2] / md5[2:]


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()
