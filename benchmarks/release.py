"""Release a project's approved models, with their evaluation.

    python -m benchmarks.release PROJECT [--name released] [--origin FILE]

PROJECT is a clone of this repository in which `dvc repro` has trained on real faces. Copies both models and the gate
result to `models/NAME`, with a README, and writes docs/NAME.md with its charts. No image of a face is copied. FILE
describes the origin of models that `dvc repro` alone did not make. Files of an earlier release are replaced; if a
folder contains any other file, nothing is written.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.release_page import CHARTS, MODELS, SETS, evidence, git, page, read_json
from tasks.common.files import forget_temporaries, replacing
from tasks.models.exports import PRECISIONS

LARGEST_BYTES = 25_000_000
"""Of a model set, exports included."""


ENDS = ("keras", *(f"{precision}.onnx" for precision in PRECISIONS))
"""Ends of the names of a model's files."""


def released_files(name: str) -> dict[Path, set[str]]:
    """Return the names of a release's files, by folder."""
    models = {f"{model_name}.{end}" for model_name in MODELS for end in ENDS}
    charts = {f"{model_name}-{chart}.png" for model_name in MODELS for chart in CHARTS[model_name]}
    return {
        Path("models", name): {"README.md", "gate.json"} | models,
        Path("docs", name): charts | {f"{model_name}.json" for model_name in MODELS},
    }


def require_only_released_files(name: str) -> None:
    """Raise SystemExit if a folder of that name contains a file that a release does not write."""
    foreign = []
    for folder, names in released_files(name).items():
        forget_temporaries(folder)
        own = {folder / one for one in names}
        foreign += sorted(path for path in folder.rglob("*") if path not in own and not path.is_dir())
    if foreign:
        listed = ", ".join(map(str, foreign))
        raise SystemExit(f"{listed}: not files of a release; move them elsewhere, and release again")


def require_passed_and_reproducible(project: Path, gate_result: Mapping) -> None:
    """Raise SystemExit for models that are not approved or not reproducible."""
    if not gate_result["passed"]:
        raise SystemExit(f"{project}: the gate did not approve these models")
    if changed := set(git(project, "diff", "HEAD", "--name-only", "--", "*.py", "dvc.yaml").split()):
        raise SystemExit(
            f"{project}: changed since its revision, so the models are not reproducible: {sorted(changed)}"
        )
    if subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], cwd=project, check=False).returncode:
        raise SystemExit(f"{project}: the files differ from what `dvc repro` would write; run it, or see `dvc status`")


def bytes_of_set(project: Path, gate_result: Mapping) -> int:
    """Return the size of these models and their exports. Raises SystemExit if it exceeds LARGEST_BYTES."""
    paths = [path for model_name in MODELS for path in model_files(project, gate_result, model_name)]
    if (size := sum(path.stat().st_size for path in paths)) > LARGEST_BYTES:
        raise SystemExit(
            f"{project}: {size:,} bytes in these models and exports; at most {LARGEST_BYTES:,} are released"
        )
    return size


def model_files(project: Path, gate_result: Mapping, model_name: str) -> list[Path]:
    """Return the paths of a model and of its exports."""
    path = project / gate_result["models"][model_name]["path"]
    return [path.with_suffix(f".{end}") for end in ENDS]


def write_release(project: Path, gate_result: Mapping, name: str, origin: str) -> None:
    """Write both folders of that name and docs/NAME.md. The gate result, which makes the models usable, comes last."""
    models, charts = released_files(name)
    _write(models / "README.md", page(project, gate_result, name, origin))
    _write(charts.with_suffix(".md"), evidence(project, name))
    released = {}
    for model_name in MODELS:
        path = models / f"{model_name}.keras"
        for source in model_files(project, gate_result, model_name):
            _copy(source, path.with_name(source.name))
        released[model_name] = gate_result["models"][model_name] | {"path": str(path)}
        _copy(project / f"reports/metrics/{model_name}.json", charts / f"{model_name}.json")
        for chart in CHARTS[model_name]:
            _copy(project / f"reports/figures/{model_name}/{chart}.png", charts / f"{model_name}-{chart}.png")
    _write(models / "gate.json", json.dumps({**gate_result, "models": released}, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def _copy(source: Path, path: Path) -> None:
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def release(project: Path, name: str, origin: str) -> None:
    """Check everything, then write. Raises SystemExit, before anything is written, for models that are not released."""
    gate_result = read_json(project / "reports/gate.json")
    require_only_released_files(name)
    require_passed_and_reproducible(project, gate_result)
    size = bytes_of_set(project, gate_result)
    write_release(project, gate_result, name, origin)
    print(f"released to {Path('models', name)}; {size:,} bytes", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--name", choices=SETS, default="released")
    parser.add_argument("--origin", type=Path)
    options = parser.parse_args(arguments)
    release(options.project, options.name, options.origin.read_text() if options.origin else "")


if __name__ == "__main__":
    main()
