"""What the models make of the faces that a detector finds in scenes, tilted and upright."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.detected_faces import Result, search
from benchmarks.face_scenes import CELLS, Faces
from benchmarks.tables import print_table
from faces.common.pixel_text import SIZES
from faces.scoring.alignment import aligned_crops, surroundings
from faces.scoring.face_crops import crop, crop_to_image
from faces.synthetic.photographs import Scene
from tasks.models.approved_models import load_approved_models
from tasks.models.inference_engine import Predictor, make_predictor
from tasks.release.model_sets import GATE_RESULTS
from tasks.scoring.face_detector import Detect

Outputs = tuple[np.ndarray, np.ndarray]
"""Keypoints and emotions, see `predictions`."""


def predictions(scenes: Sequence[Scene], result: Result, predict: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (n, 15, 2) in pixels of the scenes and numbers of the emotions (n,), as scoring finds them.

    NaN and -1 for faces that were not found.
    """
    owners = np.repeat(np.arange(len(scenes)), [len(scene.faces) for scene in scenes])
    found = np.flatnonzero(~np.isnan(result.scores))
    each = [(scenes[owners[number]].image, result.boxes[number : number + 1]) for number in found]
    in_crop = predict({"keypoints": _joined(crop(*one, SIZES["keypoints"]) for one in each)})["keypoints"]
    patches = _joined(surroundings(*one) for one in each)
    emotion = predict({"emotion": aligned_crops(patches, in_crop, SIZES["emotion"])})["emotion"]
    keypoints, emotions = np.full((len(owners), 15, 2), np.nan), np.full(len(owners), -1)
    keypoints[found] = crop_to_image(in_crop, result.boxes[found], SIZES["keypoints"])
    emotions[found] = emotion.argmax(axis=1)
    return keypoints, emotions


def _joined(several: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(several))


def tilt_row(name: str, scenes: Sequence[Scene], faces: Faces, tilted: Outputs, upright: Outputs | None) -> list[str]:
    """NME in percent of the distance of the eyes, and the share of faces with the emotion that they have upright."""
    numbers = np.concatenate([scene.faces for scene in scenes])
    truth = crop_to_image(faces.keypoints[numbers], np.concatenate([scene.boxes for scene in scenes]), 96)
    eyes = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1)
    keypoints, emotions = tilted
    found = emotions >= 0
    errors = np.nanmean(np.linalg.norm(keypoints - truth, axis=2)[found], axis=1) / eyes[found]
    row = [name, str(int(found.sum())), f"{100 * np.nanmean(errors):.2f}", f"{100 * np.nanmedian(errors):.2f}"]
    if upright is None:
        return [*row, ""]
    both = found & (upright[1] >= 0)
    return [*row, f"{(emotions == upright[1])[both].mean():.3f} of {int(both.sum())}"]


def tilt(
    scenes: dict[str, list[Scene]],
    upright: dict[str, list[Scene]],
    results: dict[str, Result],
    detect: Detect,
    faces: Faces,
    model_set: str,
) -> None:
    """Print what the models make of the faces that CenterFace found, and of the same faces upright."""
    approved = load_approved_models(GATE_RESULTS[model_set])
    predict = make_predictor(approved.paths, approved.inference)
    rows = []
    for name in CELLS:
        tilted = predictions(scenes[name], results[name], predict)
        straight = predictions(upright[name], search(detect, upright[name]), predict) if "tilted" in name else None
        rows.append(tilt_row(name, scenes[name], faces, tilted, straight))
    columns = ("cell", "faces", "mean NME, %", "median NME, %", "same emotion as upright")
    print_table(f"Keypoints and emotion, CenterFace, {model_set}", columns, rows)
