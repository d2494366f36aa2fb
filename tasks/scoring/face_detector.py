"""What finds the faces in a photograph: the cascade that OpenCV carries, or YuNet, whose file the user gives."""

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import cv2
import fsspec
import numpy as np

from faces.scoring.face_detection import found_by_yunet, found_faces
from params import Score
from tasks.common.files import InputError

Finder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a grey photograph to the squares of its faces and their scores, see `found_faces`."""

MOST_BYTES = 64 * 2**20
"""Of YuNet's file, which has 230 kB."""
ORIGIN = "OpenCV's model zoo has it as face_detection_yunet_2023mar.onnx"


def finder_of(settings: Score) -> Finder:
    """As the settings ask. Raises InputError for a file that is absent, not the one that is meant, or not YuNet's."""
    if settings.detector is None:
        return partial(found_faces, longest=settings.detection_side)
    network = _yunet(settings.detector.file, settings.detector.sha256)
    return partial(found_by_yunet, longest=settings.detection_side, network=network)


@lru_cache(maxsize=1)
def _yunet(file: str, wanted: str) -> np.ndarray:
    if Path(file).exists() and not Path(file).is_file():
        raise InputError(f"score.detector.file {file}: is no regular file; {ORIGIN}")
    try:
        with fsspec.open(file, "rb") as handle:
            content = handle.read(MOST_BYTES)
    except Exception as error:  # each protocol's plug-in has errors of its own
        raise InputError(
            f"score.detector.file {file}: cannot be read ({type(error).__name__}: {error}); {ORIGIN}"
        ) from None
    if (found := hashlib.sha256(content).hexdigest()) != wanted:
        raise InputError(f"score.detector.file {file}: has SHA-256 {found}, not {wanted}; set the one that is meant")
    network = np.frombuffer(content, np.uint8)
    try:
        found_by_yunet(np.zeros((64, 64), np.uint8), 64, network)
    except cv2.error as error:
        raise InputError(f"score.detector.file {file}: not YuNet's network ({error.err}); {ORIGIN}") from None
    return network
