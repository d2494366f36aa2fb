"""Face detectors on scenes of real faces: recall, false alarms, time, and what tilt does to keypoints and emotion.

    python -m benchmarks.detection keypoints.csv [--faces 504] [--empty 40] [--seed 1] [--yunet FILE.onnx]
        [--model-set released] [--tile 640] [--part choose|judge]

The table is a raw table of keypoints with a column of subjects, `person`. Its faces are blended into drawn backgrounds
(`benchmarks/face_scenes.py`). `choose` lists CenterFace's recall by threshold, in scenes of half of the subjects;
`judge` measures each detector in scenes of the other half, with the default thresholds. A face is found if a box's
centre is within 0.4 of its side of the face's own; each further box is a false alarm. The emotion of a tilted face is
compared with that of the same face found upright in the same scene. All detectors search the same scenes, in turn;
tiles are measured where they matter, with small faces and without faces.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import params
from benchmarks.face_scenes import CELLS, EMPTY, SMALL, Faces, Scene, halves, read_faces, scenes_of
from benchmarks.tables import print_table
from faces.common.pixel_text import SIZES
from faces.scoring.alignment import aligned_crops, surroundings
from faces.scoring.face_crops import crop, crop_to_image
from params import Detector
from tasks.models.approved_models import load_approved_models
from tasks.models.inference_engine import Predictor, make_predictor
from tasks.release.model_sets import GATE_RESULTS
from tasks.scoring.face_detector import Detect, make_detector

CENTERFACE = "CenterFace"
NEAR = 0.4
THRESHOLDS = (0.2, 0.25, 0.3, 0.35)
Outputs = tuple[np.ndarray, np.ndarray]
"""Keypoints and emotions, see `predictions`."""


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


def choice_rows(results: dict[str, Result], num_scenes: dict[str, int]) -> list[list[str]]:
    """A row per threshold: recall of each cell, and false alarms a scene."""
    rows = []
    for threshold in THRESHOLDS:
        recalls = [f"{(results[name].scores >= threshold).mean():.3f}" for name in CELLS]
        alarms = sum(int((one.false_scores >= threshold).sum()) for one in results.values())
        rows.append([str(threshold), *recalls, f"{alarms / sum(num_scenes.values()):.3f}"])
    return rows


def judged_row(name: str, results: dict[str, Result], num_scenes: dict[str, int]) -> list[str]:
    """Recall of each cell, false alarms a scene, and milliseconds a scene."""
    searched = sum(num_scenes[cell] for cell in results)
    recalls = [f"{(~np.isnan(results[cell].scores)).mean():.3f}" if cell in results else "" for cell in CELLS]
    alarms = sum(len(one.false_scores) for one in results.values()) / searched
    seconds = sum(one.seconds for one in results.values()) / searched
    return [name, *recalls, f"{alarms:.3f}", f"{1000 * seconds:.0f}"]


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


def detectors(yunet: Path | None, tile: int) -> dict[str, Detect]:
    """The detectors to compare, by name."""
    score = params.load().score
    settings = {
        CENTERFACE: Detector(name="centerface"),
        f"{CENTERFACE}, tiles of {tile} px": Detector(name="centerface", tile_px=tile),
        "cascade": Detector(name="cascade"),
    }
    if yunet:
        settings["YuNet"] = Detector(
            name="yunet", file=str(yunet), sha256=hashlib.sha256(yunet.read_bytes()).hexdigest()
        )
    return {name: make_detector(score.model_copy(update={"detector": one})) for name, one in settings.items()}


def choose(scenes: dict[str, list[Scene]]) -> None:
    """Print recall and false alarms of CenterFace by threshold."""
    lowest = Detector(name="centerface", threshold=min(THRESHOLDS))
    detect = make_detector(params.load().score.model_copy(update={"detector": lowest}))
    rows = choice_rows({name: search(detect, some) for name, some in scenes.items()}, numbers_of(scenes))
    print_table("Half of the subjects, CenterFace", ("threshold", *CELLS, "false alarms a scene"), rows)


def judge(scenes: dict[str, list[Scene]], ways: dict[str, Detect]) -> dict[str, Result]:
    """Print what each detector finds; returns what CenterFace does."""
    rows, found = [], {}
    for way, detect in ways.items():
        cells = (SMALL, EMPTY) if "tiles" in way else scenes
        results = {name: search(detect, scenes[name]) for name in cells}
        rows.append(judged_row(way, results, numbers_of(scenes)))
        print(rows[-1], file=sys.stderr)
        found[way] = results
    print_table("The other half of the subjects", ("detector", *CELLS, "false alarms a scene", "ms"), rows)
    return found[CENTERFACE]


def tilt(
    scenes: dict[str, list[Scene]],
    upright: dict[str, list[Scene]],
    results: dict[str, Result],
    detect: Detect,
    faces: Faces,
    model_set: str,
) -> None:
    """Print what the models make of the faces that were found, and of the same faces upright."""
    approved = load_approved_models(GATE_RESULTS[model_set])
    predict = make_predictor(approved.paths, approved.inference)
    rows = []
    for name in CELLS:
        tilted = predictions(scenes[name], results[name], predict)
        straight = predictions(upright[name], search(detect, upright[name]), predict) if "tilted" in name else None
        rows.append(tilt_row(name, scenes[name], faces, tilted, straight))
    columns = ("cell", "faces", "mean NME, %", "median NME, %", "same emotion as upright")
    print_table(f"Keypoints and emotion, CenterFace, {model_set}", columns, rows)


def numbers_of(scenes: dict[str, list[Scene]]) -> dict[str, int]:
    """How many scenes there are of each cell."""
    return {name: len(some) for name, some in scenes.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--faces", type=int, default=504, help="faces of each cell")
    parser.add_argument("--empty", type=int, default=40, help="scenes without faces")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--yunet", type=Path, help="YuNet's file")
    parser.add_argument("--tile", type=int, default=640)
    parser.add_argument("--model-set", choices=GATE_RESULTS, default="released")
    parser.add_argument("--part", choices=("choose", "judge"), help="one part only")
    options = parser.parse_args(arguments)
    faces = read_faces(options.table)
    first, second = halves(faces.persons, options.seed)
    if options.part != "judge":
        choose(scenes_of(faces, first, options.faces // 2, options.empty // 2, options.seed))
    if options.part != "choose":
        scenes = scenes_of(faces, second, options.faces, options.empty, options.seed + 1)
        upright = scenes_of(faces, second, options.faces, 0, options.seed + 1, upright=True)
        ways = detectors(options.yunet, options.tile)
        tilt(scenes, upright, judge(scenes, ways), ways[CENTERFACE], faces, options.model_set)


if __name__ == "__main__":
    main()
