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
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import params
from benchmarks.detected_faces import Result, search
from benchmarks.face_scenes import CELLS, EMPTY, SMALL, halves, read_faces, scenes_of
from benchmarks.tables import print_table
from benchmarks.tilted_faces import tilt
from faces.synthetic.photographs import Scene
from params import Detector
from tasks.release.model_sets import GATE_RESULTS
from tasks.scoring.face_detector import Detect, make_detector

CENTERFACE = "CenterFace"
THRESHOLDS = (0.2, 0.25, 0.3, 0.35)


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
