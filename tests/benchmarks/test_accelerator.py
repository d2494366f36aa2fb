"""The command that trains on an accelerator: with JAX it trains, without JAX it names the remedy."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tasks.models.keras_files import load_model
from tests.benchmarks.test_accelerator_training import give_teacher, small_project
from tests.conftest import ROOT
from tests.tiny import CLASSES, noise

RUN = "import runpy, sys; sys.argv[0] = 'accelerator'; runpy.run_module('benchmarks.accelerator', run_name='__main__')"
WITHOUT_JAX = f"import sys; sys.modules['jax'] = None; {RUN}"


def command(code: str, *arguments: str, backend: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KERAS_BACKEND": backend}
    started = [sys.executable, "-c", code, *arguments]
    return subprocess.run(started, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_without_jax_the_message_says_what_to_install(backend: str, tmp_path: Path) -> None:
    done = command(WITHOUT_JAX, str(tmp_path / "out"), backend=backend)
    assert done.returncode == 2
    assert "error: JAX is not installed; install it beside Keras" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is no dependency of the project")


@needs_jax
def test_another_backend_is_refused(tmp_path: Path) -> None:
    done = command(RUN, str(tmp_path / "out"), backend="tensorflow")
    assert done.returncode == 2
    assert "error: Keras uses another backend; set KERAS_BACKEND=jax" in done.stderr


@needs_jax
def test_a_recipe_with_a_teacher_is_trained_by_jax_in_mixed_precision(tmp_path: Path) -> None:
    project, out = small_project(tmp_path, "student"), tmp_path / "out"
    give_teacher(project)
    done = command(RUN, str(out), "--project", str(project), backend="jax")
    assert done.returncode == 0, done.stderr
    assert "val_loss" in done.stdout
    assert {path.name for path in out.iterdir()} == {"emotion.keras", "seed-1.npz"}
    with np.load(out / "seed-1.npz", allow_pickle=False) as arrays:
        assert len(json.loads(str(arrays["epochs"]))) == 1
        weights = [arrays[name] for name in arrays.files if name.startswith("best_")]
    # Variables include the states of dropout's random generators.
    assert {values.dtype.name for values in weights} == {"float32", "uint32"}
    outputs = np.asarray(load_model(out / "emotion.keras")(noise(3)))
    assert outputs.shape == (3, CLASSES)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-4)
