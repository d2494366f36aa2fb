"""Training that was cut off: its state after the last whole epoch, kept outside what DVC removes."""

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from faces.training.trainer import Epoch, State
from tasks.common.files import replacing, sha256
from tasks.orchestration.api import task

LIBRARIES = ("keras", keras.backend.backend(), "numpy", "scipy")
LISTS = ("network", "optimizer", "best")


def identity(settings: str, inputs: Sequence[Path]) -> str:
    """A hash of all that the result follows from: settings, input files, our code, and the versions of the libraries.

    A state of another identity is of another training, and is not taken up.
    """
    # A list: threads of others import meanwhile.
    ours = [(name, module) for name, module in list(sys.modules.items()) if name.startswith(("faces.", "tasks."))]
    code = {name: str(module.__file__) for name, module in ours}
    files = [*inputs, *(Path(path) for _, path in sorted(code.items()) if path.endswith(".py"))]
    parts = [settings, keras.backend.backend(), *map(version, LIBRARIES), *map(sha256, files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def keep_state(path: Path, identity: str, state: State) -> None:
    """Write the state, `.npz`, in place of the one before."""
    arrays = {f"{name}_{k:04}": array for name in LISTS for k, array in enumerate(getattr(state, name))}
    about = json.dumps({"identity": identity, "epochs": [epoch._asdict() for epoch in state.epochs]})
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, about=np.array(about), **arrays)


def kept_state(path: Path, identity: str) -> State | None:
    """The state in `path`; None where there is none of this identity, or none that can be read."""
    try:
        # Opened here, because np.load leaves a broken file open.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["identity"] != identity:
                return None
            lists = {
                name: [arrays[key] for key in sorted(arrays.files) if key.startswith(f"{name}_")] for name in LISTS
            }
    except (OSError, EOFError, TypeError, ValueError, KeyError, BadZipFile):
        return None
    return State(**lists, epochs=[Epoch(**epoch) for epoch in about["epochs"]])


@task
def forget_states(folder: Path) -> None:
    """Remove the states of a training that is done, and what a kill in the middle of writing one left beside them."""
    if folder.exists():
        shutil.rmtree(folder)
