"""Runs the models with OpenVINO, the fastest inference engine in `benchmarks/scoring.py`."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from faces.common.pixel_text import SIZES
from faces.models.tta import Inference, predict_by
from tasks.models.keras_files import load_model

if TYPE_CHECKING:
    import openvino

CHUNK = 32
"""Faces per request, always the same number, so that a prediction does not depend on the other faces."""

Predictor = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
"""From faces by model, (N, size, size) uint8, to keypoints (N, 15, 2) in pixels and probabilities (N, classes)."""


def make_predictor(paths: Mapping[str, Path], inference: Mapping[str, Inference]) -> Predictor:
    """Predictions by model, equal to those of Keras within 1e-4 (probabilities) and 0.01 px (keypoints)."""
    runs = {model_name: predictor(path, SIZES[model_name]) for model_name, path in paths.items()}

    def predict(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            model_name: predict_by(run, faces[model_name], inference[model_name]) for model_name, run in runs.items()
        }

    return predict


def predictor(path: Path, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """The outputs of a saved model for faces (N, size, size) uint8, not calibrated and without flip TTA."""
    return partial(_run, _requests(path, size))


def _openvino() -> ModuleType:
    # OpenVINO reports usage by this package when it is imported; where it is absent, it reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _requests(path: Path, size: int) -> "openvino.AsyncInferQueue":
    """A request queue of a saved model; each request stores its outputs in the array and at the row it is given."""
    openvino = _openvino()
    core = openvino.Core()
    with TemporaryDirectory() as folder:
        exported = str(Path(folder) / "model.xml")
        load_model(path).export(exported, format="openvino", verbose=False)
        model = core.read_model(exported)
        model.reshape([CHUNK, size, size])
        # Half precision, on processors that support it, would change the third digit.
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        model = core.compile_model(model, "CPU", settings)
    queue = openvino.AsyncInferQueue(model)
    queue.set_callback(_store_output)
    return queue


def _store_output(request: "openvino.InferRequest", target: tuple[np.ndarray, int]) -> None:
    outputs, start = target
    outputs[start : start + CHUNK] = request.get_output_tensor(0).data[: len(outputs) - start]


def _run(queue: "openvino.AsyncInferQueue", images: np.ndarray) -> np.ndarray:
    shape = list(queue[0].get_output_tensor(0).shape)
    outputs = np.empty((len(images), *shape[1:]), np.float32)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        missing = CHUNK - len(chunk)
        padded = np.pad(chunk, [(0, missing), (0, 0), (0, 0)]) if missing else np.ascontiguousarray(chunk)
        queue.start_async({0: padded}, (outputs, start))
    queue.wait_all()
    return outputs
