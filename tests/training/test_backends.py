"""TensorFlow and JAX train alike on a CPU: equal initial weights and batches, close losses, and both resume."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.training.backend_run import NUM_VALIDATION as FACES

BACKENDS = ("tensorflow", "jax")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `backend_run` finds with each backend."""
    folder, found = tmp_path_factory.mktemp("backends"), {}
    for name in BACKENDS:
        out = folder / f"{name}.json"
        environment = {**os.environ, "KERAS_BACKEND": name, "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-m", "tests.training.backend_run", str(out)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(out.read_text())
    return found


def test_each_run_names_its_backend(results: dict) -> None:
    for name in BACKENDS:
        assert results[name]["backend"] == name
        assert set(results[name]["versions"]) == {"keras", "numpy", name}
        assert results[name]["device"]


def test_initial_weights_and_batches_are_equal(results: dict) -> None:
    one, other = (results[name] for name in BACKENDS)
    assert one["initial"] == other["initial"]
    # Interpolation rounds differently: by at most one grey level in a few pixels.
    np.testing.assert_allclose(one["mean_image"], other["mean_image"], atol=0.05)


def test_the_first_losses_are_close(results: dict) -> None:
    one, other = (results[name]["losses"] for name in BACKENDS)
    assert len(one) == 3
    assert len({*one}) == 3
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_the_validation_metric_is_within_its_interval(results: dict) -> None:
    one, other = (results[name]["metrics"][-1] for name in BACKENDS)
    accuracy = one["val_accuracy"]
    draws = np.random.default_rng(1).binomial(FACES, accuracy, 2000) / FACES
    low, high = np.quantile(draws, [0.025, 0.975])
    # Five classes are equally frequent.
    assert accuracy > 0.28
    assert low <= other["val_accuracy"] <= high


@pytest.mark.parametrize("name", BACKENDS)
def test_a_resumed_training_has_the_same_weights(name: str, results: dict) -> None:
    assert results[name]["resumed_equals"]


def test_faces_on_the_device_are_those_of_the_host(results: dict) -> None:
    assert results["jax"]["kept_on_device"]
    assert results["jax"]["device_batch_is_host_batch"]
    for one, other in zip(results["jax"]["on_device"], results["jax"]["metrics"], strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=2e-3)
