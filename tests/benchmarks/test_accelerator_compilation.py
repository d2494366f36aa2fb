"""Steps compiled by JAX give the same results as eager Keras. In another process, since a process has one backend."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.conftest import ROOT

COMPARED = """
import numpy as np
import faces.training.trainer
import tasks.training.batches
import tasks.training.builders
from benchmarks.accelerator_compilation import compile_eager_steps, compiled_predict, compiled_update_batch_norm
from faces.models.tta import predict_no_tta
from faces.training.batch_norm import UPDATE_BATCH_SIZE, update_batch_norm
from tests.tiny import CONSTANTS, noise, part, training

images = noise(2 * UPDATE_BATCH_SIZE)
one, other = (
    tasks.training.builders.build_model(part("emotion", 3), training("emotion"), CONSTANTS) for _ in range(2)
)
fresh = one.get_weights()
update_batch_norm(one, images)
update = compiled_update_batch_norm()
update(other, images[:UPDATE_BATCH_SIZE])
update(other, images)
change = max(np.abs(a - b).max() for a, b in zip(fresh, one.get_weights()))
assert change > 0.01, change
for eager, compiled in zip(one.get_weights(), other.get_weights(), strict=True):
    np.testing.assert_allclose(compiled, eager, rtol=1e-3, atol=1e-5)
assert {layer.rate for layer in other.layers if type(layer).__name__ == "Dropout"} == {0.3}
np.testing.assert_allclose(compiled_predict(one)(images[:5]), predict_no_tta(one, images[:5]), atol=1e-5)

settings = training("emotion")
eager = tasks.training.batches.batches_of(part("emotion", 8), settings)(range(1))[0]
before = faces.training.trainer.update_batch_norm
compile_eager_steps()
assert faces.training.trainer.update_batch_norm is not before
compiled = tasks.training.batches.batches_of(part("emotion", 8), settings)(range(1))[0]
assert np.abs(compiled[0].astype(int) - eager[0]).max() <= 1
np.testing.assert_array_equal(compiled[1], eager[1])
print("equal")
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is no dependency of the project")
def test_compiled_steps_equal_the_eager_ones_of_the_stage() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    started = [sys.executable, "-c", COMPARED]
    done = subprocess.run(started, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("equal\n")
