"""Checkpoints: the state of a training after its last complete epoch, outside the outputs that DVC removes."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from faces.training.trainer import Checkpoint, Epoch
from tasks.common.files import replacing, sha256
from tasks.orchestration.decorators import task
from tasks.training.environment import LIBRARIES

LISTS = ("model", "optimizer", "best")
ROOT = Path(__file__).resolve().parents[2]
CODE = (
    *("faces/common", "faces/models", "faces/training", "tasks/training"),
    *("tasks/common/dataset.py", "tasks/common/errors.py", "tasks/common/files.py", "tasks/common/npz.py"),
    "tasks/models/keras_files.py",
)
"""Rooms and modules that affect the result of a training. Orchestration, logging and plots do not."""


def run_fingerprint(settings: str, inputs: Sequence[Path], root: Path = ROOT) -> str:
    """A hash of all that the result depends on: settings, input files, this project's code, versions of libraries.

    A checkpoint of another fingerprint is not resumed. `root` is the folder of the project.
    """
    code = [f"{path.relative_to(root).as_posix()} {sha256(path)}" for path in _code_files(root)]
    backend = keras.backend.backend()
    content = [settings, backend, *map(version, (*LIBRARIES, backend)), *map(sha256, inputs), *code]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def _code_files(root: Path) -> list[Path]:
    paths = [root / name for name in CODE]
    return sorted(file for path in paths for file in (path.glob("*.py") if path.is_dir() else [path]))


def save_checkpoint(path: Path, fingerprint: str, checkpoint: Checkpoint) -> None:
    """Write the checkpoint, an `.npz` file, in place of the previous one."""
    arrays = {f"{name}_{k:04}": array for name in LISTS for k, array in enumerate(getattr(checkpoint, name))}
    about = json.dumps({"run_fingerprint": fingerprint, "epochs": [epoch._asdict() for epoch in checkpoint.epochs]})
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, about=np.array(about), **arrays)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint at `path`; None if it is absent, unreadable or of another fingerprint."""
    try:
        # Opened here, because np.load does not close a broken file.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["run_fingerprint"] != fingerprint:
                return None
            lists = {
                name: [arrays[key] for key in sorted(arrays.files) if key.startswith(f"{name}_")] for name in LISTS
            }
    except (OSError, EOFError, TypeError, ValueError, KeyError, BadZipFile):
        return None
    return Checkpoint(**lists, epochs=[Epoch(**epoch) for epoch in about["epochs"]])


@task
def delete_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a completed training, and the temporary files of killed writes."""
    if folder.exists():
        shutil.rmtree(folder)
