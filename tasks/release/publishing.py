"""Publishes the models of a passed gate result as a folder whose pages say how every file in it came about."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from params import MODELS, PARAMS, preset_file
from tasks.common.files import InputError, forget_temporaries, replacing, sha256
from tasks.models.exports import PRECISIONS
from tasks.operations.dvc_graph import plan_of, recorded_stages
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.orchestration.git_revision import CODE
from tasks.release.provenance import TARGETS, Run
from tasks.release.quality_gate import gate_result_text, require_passed
from tasks.release.registry import git
from tasks.release.release_page import CHARTS, evaluation, page

LOCK = Path("dvc.lock")
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
RESERVED = {"checkpoints", "fetched", "pretrained", "prod", "teachers", "trained", "workspace"}
"""Folders of models/ with another purpose, and names that `--model-set` gives another meaning."""
LARGEST_BYTES = 25_000_000
"""Of a whole model set."""
SETTINGS, PROVENANCE, GATE_RESULT = ("params.yaml", "dataset.yaml", "recipe.yaml"), "provenance.json", "gate.json"
ENDS = ("keras", *(f"{precision}.onnx" for precision in PRECISIONS))
"""Ends of the names of a model's files."""


def copied_files(gate_result: dict) -> dict[str, Path]:
    """The files that a release copies as they are, settings left out: name in the set, and path."""
    copied: dict[str, Path] = {}
    for model_name in MODELS:
        model = Path(gate_result["models"][model_name]["path"])
        copied |= {f"{model_name}.{end}": model.with_suffix(f".{end}") for end in ENDS}
        copied[f"metrics/{model_name}.json"] = Path(f"reports/metrics/{model_name}.json")
        for chart in CHARTS[model_name]:
            copied[f"charts/{model_name}-{chart}.png"] = Path(f"reports/figures/{model_name}/{chart}.png")
    return copied


@task
def publish(name: str, presets: dict[str, str], gate_result: Path, out: Path) -> Path:
    """Write the model set `name` to the folder `out`; the gate result, which makes the models usable, comes last.

    `presets` are the chosen presets, `dataset` and `recipe`. Raises InputError, before anything is written, if the name
    or the folder is in other use, the gate did not pass, a file is not the one that was evaluated or recorded, the code
    has changed since its revision, or the set is too large.
    """
    require_name(name)
    if not gate_result.is_file():
        raise InputError(f"{gate_result}: no such file; `dvc repro gate` writes it")
    require_passed(gate_result)
    content = json.loads(gate_result.read_text())
    require_only_released_files(out, content)
    run = read_run(name, presets, content)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _copy_all(run, gate_result, folder)
        _write_new(run, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if (size := sum(path.stat().st_size for path in files)) > LARGEST_BYTES:
            raise InputError(f"{size:,} bytes in this model set; at most {LARGEST_BYTES:,} are released")
        for path in sorted(files, key=lambda path: (path.name == GATE_RESULT, path)):
            with replacing(out / path.relative_to(folder)) as target:
                shutil.copyfile(path, target)
    log(f"released to {out}: {len(files)} files, {size:,} bytes; `git add --force {out}` adds ignored files too")
    return out


def require_name(name: str) -> None:
    """Raises InputError for a name that is no plain folder name, or is in other use."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name}: not a name of a model set; use up to 64 of a-z, 0-9, _, . and -, a letter first")
    if name in RESERVED or re.fullmatch(r"v\d+(\.\d+)*", name):
        raise InputError(f"{name}: this name is in use; choose another for the model set")


def require_only_released_files(out: Path, gate_result: dict) -> None:
    """Raises InputError if a folder contains a file that a release does not write."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: not a folder; move it elsewhere, and release again")
    own = {*copied_files(gate_result), *SETTINGS, PROVENANCE, GATE_RESULT, "README.md", "evaluation.md"}
    for folder in (out, out / "charts", out / "metrics"):
        forget_temporaries(folder)
    files = (path for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    if foreign := sorted(str(path) for path in files if path.is_symlink() or str(path.relative_to(out)) not in own):
        raise InputError(f"{', '.join(foreign)}: not files of a release; move them elsewhere, and release again")


def read_run(name: str, presets: dict[str, str], gate_result: dict) -> Run:
    """The run in this folder. Raises InputError if it differs from its revision or from `dvc.lock`."""
    if changed := git("status", "--porcelain", "--", *CODE, "requirements.txt"):
        raise InputError(
            f"the code has uncommitted changes, so these models are not reproducible; commit them:\n{changed}"
        )
    stages = recorded_stages(LOCK, TARGETS)
    if stale := plan_of(list(TARGETS)).changed:
        raise InputError(
            f"{', '.join(sorted(stale))}: the files differ from what {LOCK} records; `dvc repro` runs these stages "
            "again, or `dvc pull` fetches missing files"
        )
    files = (PARAMS, *(preset_file(kind, presets[kind]) for kind in ("dataset", "recipe")))
    settings = dict(zip(SETTINGS, files, strict=True))
    return Run(name, git("rev-parse", "HEAD"), gate_result, stages, settings, changed_settings(files))


def changed_settings(files: tuple[Path, ...]) -> str:
    """The changed lines of settings files since the last commit, after the name of their file."""
    names = list(map(str, files))
    diff = git("diff", "HEAD", "--unified=0", "--", *names).splitlines()
    lines = [line for line in diff if not line.startswith(("diff ", "index ", "--- ", "@@", "new file "))]
    tracked = git("ls-files", "--", *names).splitlines()
    for path in (path for path in files if str(path) not in tracked):
        lines += [f"+++ {path}", *(f"+{line}" for line in path.read_text().splitlines())]
    return "\n".join(line.replace("+++ b/", "+++ ") for line in lines)


def _copy_all(run: Run, gate_result: Path, folder: Path) -> None:
    """Copy settings and recorded files. Raises InputError if a copy is not the file that was recorded or evaluated."""
    expected = _hashes(run.gate_result)
    for name, source in {**copied_files(run.gate_result), GATE_RESULT: gate_result, **run.settings}.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if not source.is_file():
            raise InputError(f"{source}: no such file; `dvc repro {' '.join(TARGETS)}` writes it")
        shutil.copyfile(source, target)
        if name in expected and sha256(target) != expected[name]:
            raise InputError(f"{source}: not the file that {gate_result} is about; `dvc repro` evaluates this one")
        if run.recorded.get(source.as_posix(), _md5(target)) != _md5(target):
            raise InputError(f"{source} does not match {LOCK}; `dvc repro` updates both")


def _hashes(gate_result: dict) -> dict[str, str]:
    """The SHA-256 of models and exports, by name in the set."""
    hashes = {}
    for model_name, model in gate_result["models"].items():
        hashes[f"{model_name}.keras"] = model["sha256"]
        hashes |= {f"{model_name}.{precision}.onnx": found for precision, found in model["exports"].items()}
    return hashes


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()


def _write_new(run: Run, folder: Path) -> None:
    """Write what is no copy; README.md, which has the hashes of all others, comes last."""
    models = {
        model_name: model | {"path": f"models/{run.name}/{model_name}.keras"}
        for model_name, model in run.gate_result["models"].items()
    }
    (folder / GATE_RESULT).write_text(gate_result_text(run.gate_result | {"models": models}))
    record = {"name": run.name, "revision": run.revision, "changed_settings": run.changed_settings.splitlines()}
    settings = {name: str(path) for name, path in run.settings.items()}
    (folder / PROVENANCE).write_text(
        json.dumps({**record, "settings": settings, "stages": run.stages}, indent=1) + "\n"
    )
    (folder / "evaluation.md").write_text(evaluation(run))
    (folder / "README.md").write_text(page(run, folder))
