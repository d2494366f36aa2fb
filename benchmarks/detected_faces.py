"""Searches scenes with a detector, and assigns what it finds to the faces of the scenes."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from faces.synthetic.photographs import Scene
from tasks.scoring.face_detector import Detect

NEAR = 0.4
"""Largest distance of a found box's centre from its face, as a fraction of the face's side."""


class Result(NamedTuple):
    """Of one detector on the scenes of one cell: per face the box (n, 4), NaN if not found, and its score."""

    boxes: np.ndarray
    scores: np.ndarray
    false_scores: np.ndarray
    seconds: float


def search(detect: Detect, scenes: Sequence[Scene]) -> Result:
    """Search scenes and assign boxes to faces, the best score first."""
    boxes, scores, false, seconds = [], [], [], 0.0
    for scene in scenes:
        start = time.perf_counter()
        found, found_scores = detect(scene.image)
        seconds += time.perf_counter() - start
        of_scene, of_scores = np.full((len(scene.faces), 4), np.nan), np.full(len(scene.faces), np.nan)
        for number in np.argsort(-found_scores, kind="stable"):
            distances = np.linalg.norm(_centres(found[number : number + 1]) - _centres(scene.boxes), axis=1)
            owner = int(distances.argmin()) if len(distances) else -1
            if owner < 0 or distances[owner] > NEAR * scene.boxes[owner, 2] or not np.isnan(of_scores[owner]):
                false.append(found_scores[number])
            else:
                of_scene[owner], of_scores[owner] = found[number], found_scores[number]
        boxes.append(of_scene)
        scores.append(of_scores)
    return Result(np.concatenate(boxes), np.concatenate(scores), np.array(false), seconds)


def _centres(boxes: np.ndarray) -> np.ndarray:
    centres: np.ndarray = boxes[:, :2] + (boxes[:, 2:3] - 1) / 2
    return centres
