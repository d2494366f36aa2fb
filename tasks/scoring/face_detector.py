"""Makes the face detector: CenterFace from a package, OpenCV's cascade, or YuNet from a file of the user."""

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import cv2
import fsspec
import numpy as np

from faces.scoring.centerface import detect_faces_centerface
from faces.scoring.face_detection import detect_faces, detect_faces_yunet
from params import Score
from tasks.common.files import InputError
from tasks.scoring.centerface_network import centerface, run_centerface

Detect = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a grey image to the boxes of its faces and their scores, see `detect_faces`."""

MAX_BYTES = 64 * 2**20
"""Of YuNet's file, which has 230 kB."""
CENTERFACE_THRESHOLD, YUNET_THRESHOLD = 0.2, 0.6
"""Unless the settings say otherwise. CenterFace's: see `benchmarks.detection`. With OpenCV's 0.9, YuNet loses faces."""
ORIGIN = "OpenCV's model zoo has it as face_detection_yunet_2023mar.onnx"


def make_detector(settings: Score) -> Detect:
    """The detector of the settings. Raises InputError if its file is missing, has another hash, or is not its."""
    detector, max_side = settings.detector, settings.detector_max_px
    if detector.name == "cascade":
        return partial(detect_faces, max_side=max_side)
    if detector.name == "centerface":
        centerface()
        threshold = detector.threshold or CENTERFACE_THRESHOLD
        return partial(
            detect_faces_centerface, max_side=max_side, run=run_centerface, threshold=threshold, tile=detector.tile_px
        )
    model, threshold = _yunet(str(detector.file), str(detector.sha256)), detector.threshold or YUNET_THRESHOLD
    return partial(detect_faces_yunet, max_side=max_side, model=model, threshold=threshold)


@lru_cache(maxsize=1)
def _yunet(file: str, expected: str) -> np.ndarray:
    if Path(file).exists() and not Path(file).is_file():
        raise InputError(f"score.detector.file {file}: is not a regular file; {ORIGIN}")
    try:
        with fsspec.open(file, "rb") as handle:
            content = handle.read(MAX_BYTES)
    except Exception as error:  # each fsspec protocol raises its own errors
        raise InputError(
            f"score.detector.file {file}: cannot be read ({type(error).__name__}: {error}); {ORIGIN}"
        ) from None
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        raise InputError(f"score.detector.file {file}: has SHA-256 {found}, not {expected}; correct file or sha256")
    model = np.frombuffer(content, np.uint8)
    try:
        detect_faces_yunet(np.zeros((64, 64), np.uint8), 64, model, YUNET_THRESHOLD)
    except cv2.error as error:
        raise InputError(f"score.detector.file {file}: not a YuNet model ({error.err}); {ORIGIN}") from None
    return model
