"""Both networks over many faces: by OpenVINO, which is the fastest here by measurement (`benchmarks/scoring.py`)."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openvino

from faces.common.pixel_text import SIZES
from faces.models.tta import Inference, combined
from tasks.models.keras_files import load_network

CHUNK = 32
"""Faces a request: always as many, so that what is said of a face does not depend on those beside it."""

Predictor = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
"""From faces by head, (N, size, size) uint8, to points (N, 15, 2) in their pixels and probabilities (N, classes)."""


def predictor_of(paths: Mapping[str, Path], inference: Mapping[str, Inference]) -> Predictor:
    """Predicts as Keras does with the same networks, by head, to 1e-4 of a probability and 0.01 px."""
    runs = {head: running(path, SIZES[head]) for head, path in paths.items()}

    def predict(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {head: combined(run, faces[head], inference[head]) for head, run in runs.items()}

    return predict


def running(path: Path, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """A saved network's outputs of faces (N, size, size) uint8, as they are: not tempered, not flip-averaged."""
    return partial(_run, _requests(path, size))


def _requests(path: Path, size: int) -> openvino.AsyncInferQueue:
    """A queue of a network's requests; each keeps what comes of it in the array, at the place, that it is given."""
    core = openvino.Core()
    with TemporaryDirectory() as folder:
        exported = str(Path(folder) / "network.xml")
        load_network(path).export(exported, format="openvino", verbose=False)
        model = core.read_model(exported)
        model.reshape([CHUNK, size, size])
        # Half precision, where a processor has it, would change the third digit.
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        network = core.compile_model(model, "CPU", settings)
    queue = openvino.AsyncInferQueue(network)
    queue.set_callback(_keep)
    return queue


def _keep(request: openvino.InferRequest, place: tuple[np.ndarray, int]) -> None:
    outputs, start = place
    outputs[start : start + CHUNK] = request.get_output_tensor(0).data[: len(outputs) - start]


def _run(queue: openvino.AsyncInferQueue, faces: np.ndarray) -> np.ndarray:
    shape = list(queue[0].get_output_tensor(0).shape)
    outputs = np.empty((len(faces), *shape[1:]), np.float32)
    for start in range(0, len(faces), CHUNK):
        chunk = faces[start : start + CHUNK]
        missing = CHUNK - len(chunk)
        whole = np.pad(chunk, [(0, missing), (0, 0), (0, 0)]) if missing else np.ascontiguousarray(chunk)
        queue.start_async({0: whole}, (outputs, start))
    queue.wait_all()
    return outputs
