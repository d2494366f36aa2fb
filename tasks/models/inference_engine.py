"""Runs exported models with OpenVINO, the fastest inference engine in `benchmarks/scoring.py`. No TensorFlow."""

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from faces.common.pixel_text import SIZES
from faces.models.tta import Inference, predict_by, predict_each
from tasks.common.files import InputError

if TYPE_CHECKING:
    import openvino

CHUNK = 32
"""Faces per request, always the same number, so that a prediction does not depend on the other faces."""

Predictor = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
"""From faces by model, (N, size, size) uint8, to keypoints (N, 15, 2) in pixels and probabilities (N, classes)."""

TABLES = "emotion_of_tables"
"""The second prediction of the emotion model for every face, where the predictor has settings for rows of tables."""


def make_predictor(
    paths: Mapping[str, Path], inference: Mapping[str, Inference], tables: Inference | None = None
) -> Predictor:
    """Predictions of exported models, by model. In float32 they equal Keras's within 1e-4 and 0.01 px.

    With `tables`, they have the entry TABLES too: the probabilities by these settings, of the same run of the model.
    Only the models whose faces are given are run.
    """
    runs = {model_name: predictor(path, SIZES[model_name]) for model_name, path in paths.items()}

    def predict(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = {
            model_name: predict_by(run, faces[model_name], inference[model_name])
            for model_name, run in runs.items()
            if model_name in faces and (tables is None or model_name != "emotion")
        }
        if tables is not None and "emotion" in faces:
            each = predict_each(runs["emotion"], faces["emotion"], [inference["emotion"], tables])
            outputs |= dict(zip(("emotion", TABLES), each, strict=True))
        return outputs

    return predict


def predictor(path: Path, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """The outputs of an exported model for faces (N, size, size) uint8, not calibrated and without flip TTA.

    Raises InputError if the file is absent or not an ONNX model.
    """
    return partial(_run, _requests(path, size))


def load_openvino() -> ModuleType:
    """OpenVINO, ready to be used by several threads at the same time."""
    with _loading():
        # OpenVINO reports usage by this package when it is imported; where it is absent, it reports nothing.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        # The first tensor of an array initializes NumPy's interface in OpenVINO's binding. Two threads that do so at
        # the same time wait for each other for ever: one has Python's lock, the other that of the initialization.
        openvino.Tensor(np.zeros(1, np.float32))
        return openvino


@lru_cache(maxsize=1)
def _loading() -> Lock:
    return Lock()


def _requests(path: Path, size: int) -> "openvino.AsyncInferQueue":
    """A request queue of an exported model; each request stores its outputs in the array and row it is given."""
    if not path.is_file():
        raise InputError(f"{path}: this model does not exist; `dvc repro` exports it, `dvc checkout` restores it")
    openvino = load_openvino()
    core = openvino.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path}: not an ONNX model ({reason}); `dvc checkout` restores it") from None
    model.reshape([CHUNK, size, size])
    # Half precision, on processors that support it, would change the third digit.
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    queue = openvino.AsyncInferQueue(core.compile_model(model, "CPU", settings))
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
