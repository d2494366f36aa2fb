"""Makes the face detector: the cascade that comes with OpenCV, or YuNet from a file that the user provides."""

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import cv2
import fsspec
import numpy as np

from faces.scoring.face_detection import detect_faces, detect_faces_yunet
from params import Score
from tasks.common.files import InputError

Detect = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a grey image to the boxes of its faces and their scores, see `detect_faces`."""

MAX_BYTES = 64 * 2**20
"""Of YuNet's file, which has 230 kB."""
ORIGIN = "OpenCV's model zoo has it as face_detection_yunet_2023mar.onnx"


def make_detector(settings: Score) -> Detect:
    """The detector of the settings. Raises InputError if its file is missing, has another hash, or is not YuNet."""
    if settings.detector is None:
        return partial(detect_faces, max_side=settings.detector_max_px)
    model = _yunet(settings.detector.file, settings.detector.sha256)
    return partial(detect_faces_yunet, max_side=settings.detector_max_px, model=model)


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
        detect_faces_yunet(np.zeros((64, 64), np.uint8), 64, model)
    except cv2.error as error:
        raise InputError(f"score.detector.file {file}: not a YuNet model ({error.err}); {ORIGIN}") from None
    return model
