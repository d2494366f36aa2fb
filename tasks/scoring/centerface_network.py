"""Runs CenterFace in int8 with OpenVINO, for as many photographs at a time as there are cores."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from faces.scoring.centerface import STRIDE, Maps
from tasks.common.files import InputError
from tasks.models.inference_engine import load_openvino

if TYPE_CHECKING:
    import openvino

FILE = Path(__file__).resolve().parents[2] / "models/detector/centerface.int8.onnx"
"""In the checkout of this code; the current folder may be another one."""
SHA256 = "820db1072424983ed7769f98b745ddf9becf702decf1d51ae1793b03963ef623"
SIDE_STEP = 160
"""A picture is filled up with black to a multiple of this, so that pictures of many sizes share few shapes."""
MAX_AT_ONCE = 4
"""Photographs that are searched at one time; the network needs about 80 MB for each of 1280 x 960 px."""
MAX_KERNELS = 500
"""Compiled operations that are kept, of the shapes last used: the network has about 90 for each shape."""
REMEDY = "restore it with `git checkout models/detector`, or set score.detector to {name: cascade}"


def run_centerface(image: np.ndarray) -> Maps:
    """The maps of CenterFace for a grey image (H, W) uint8. Raises InputError if its file is absent or another one.

    The maps do not depend on what other threads run at the same time.
    """
    height, width = image.shape
    filled = np.zeros((1, 1, *(-(-side // SIDE_STEP) * SIDE_STEP for side in image.shape)), np.float32)
    filled[0, 0, :height, :width] = image
    with _compiling():
        requests = _requests()
    request = requests.get()
    try:
        outputs = request.infer({0: filled}, share_inputs=True)
        heat, *rest = (
            output[0, :, : -(-height // STRIDE), : -(-width // STRIDE)].copy() for output in outputs.values()
        )
    finally:
        requests.put(request)
    return heat[0], rest[0], rest[1], rest[2]


def photographs_at_once() -> int:
    """How many photographs are searched at one time: one for each core that this process may use, up to a limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_AT_ONCE)


@lru_cache(maxsize=1)
def _compiling() -> Lock:
    """Held while the network is compiled: else each of the first photographs would compile it."""
    return Lock()


@lru_cache(maxsize=1)
def _requests() -> "SimpleQueue[openvino.InferRequest]":
    """The idle requests of the network."""
    runtime = load_openvino()
    model = runtime.Core().read_model(centerface())
    model.reshape([1, 1, -1, -1])
    streams = photographs_at_once()
    settings = {
        "NUM_STREAMS": streams,
        # Half precision, on processors that support it, would move points.
        "INFERENCE_PRECISION_HINT": "f32",
        "CPU_RUNTIME_CACHE_CAPACITY": MAX_KERNELS,
    }
    compiled = runtime.compile_model(model, "CPU", settings)
    requests: SimpleQueue[openvino.InferRequest] = SimpleQueue()
    for _ in range(streams):
        requests.put(compiled.create_infer_request())
    return requests


@lru_cache(maxsize=1)
def centerface() -> bytes:
    """The content of the network's file. Raises InputError if it is absent or another one."""
    try:
        content = FILE.read_bytes()
    except OSError as error:
        raise InputError(f"score.detector: {FILE} cannot be read ({error.strerror}); {REMEDY}") from None
    if (sha256 := hashlib.sha256(content).hexdigest()) != SHA256:
        raise InputError(f"score.detector: {FILE} has SHA-256 {sha256}, not {SHA256}; {REMEDY}")
    return content
