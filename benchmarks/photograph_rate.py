"""Photographs a second with each detector, on scenes of one, six and thirty drawn faces.

    python -m benchmarks.photograph_rate [--photographs 60] [--repeats 3] [--model-set released]

Photographs of 960 x 640 px are scored from their PNG files in memory to rows of the table, with models that are loaded.
The detectors score the same files in turn, after one turn that is not counted; figures are medians, ratios are to the
cascade. Processor milliseconds are those of all cores for a photograph.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

import params
from benchmarks.tables import print_table
from faces.common.pixel_text import SIZES
from faces.synthetic.faces import draw_faces
from faces.synthetic.photographs import Cell, draw_scene
from faces.synthetic.pose import KEYPOINTS_FRAMING
from params import Detector, Score
from tasks.models.approved_models import load_approved_models
from tasks.models.inference_engine import make_predictor
from tasks.readers.records import Record, Shard
from tasks.release.model_sets import GATE_RESULTS
from tasks.scoring.batch import score_here
from tasks.scoring.prediction_rows import model_info

LAYOUTS = {1: Cell((200, 400), (0, 20), 1, 1), 6: Cell((120, 300), (0, 20), 3, 2), 30: Cell((60, 100), (0, 20), 6, 5)}


def photographs(num_faces: int, count: int) -> list[Record]:
    """Photographs as PNG files, each with so many drawn faces."""
    rng = np.random.default_rng(num_faces)
    faces, _ = draw_faces(rng, np.arange(60) % 5, SIZES["keypoints"], KEYPOINTS_FRAMING)
    scenes = [draw_scene(rng, faces, rng.permutation(60)[:num_faces], LAYOUTS[num_faces]) for _ in range(count)]
    return [
        Record(str(number), 0, cv2.imencode(".png", scene.image)[1].tobytes()) for number, scene in enumerate(scenes)
    ]


class Measured(NamedTuple):
    """The number of faces that a detector finds, and medians of seconds and of processor seconds for all photographs.

    Processor seconds are those of all cores; other work on the machine hardly changes them.
    """

    found: int
    seconds: float
    processor_seconds: float


def in_turn(ways: Mapping[str, Callable[[], int]], repeats: int) -> dict[str, Measured]:
    """Measure each way; all ways once in every turn, after one turn that is not counted."""
    found = {name: way() for name, way in ways.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start, processor_start = time.perf_counter(), time.process_time()
            way()
            times[name].append((time.perf_counter() - start, time.process_time() - processor_start))
    return {name: Measured(found[name], *np.median(some, axis=0).tolist()) for name, some in times.items()}


def table_rows(num_faces: int, count: int, results: dict[str, Measured]) -> list[list[str]]:
    """A row per detector."""
    cascade = results["cascade"]
    return [
        [
            str(num_faces),
            name,
            f"{one.found / (num_faces * count):.2f}",
            f"{count / one.seconds:.2f}",
            f"{cascade.seconds / one.seconds:.2f}",
            f"{1000 * one.processor_seconds / count:.0f}",
            f"{cascade.processor_seconds / one.processor_seconds:.2f}",
        ]
        for name, one in results.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model-set", choices=GATE_RESULTS, default="released")
    options = parser.parse_args(arguments)
    approved = load_approved_models(GATE_RESULTS[options.model_set])
    run, info = make_predictor(approved.paths, approved.inference), model_info(approved, options.model_set)

    def score(records: list[Record], settings: Score) -> int:
        return sum(len(rows.predictions) for _, rows in score_here([Shard(0, records)], run, info, "auto", settings))

    rows = []
    for num_faces in LAYOUTS:
        records = photographs(num_faces, options.photographs)
        ways = {name: partial(score, records, settings) for name, settings in detectors().items()}
        rows += table_rows(num_faces, len(records), in_turn(ways, options.repeats))
    columns = ("faces", "detector", "boxes per face", "photographs/s", "ratio", "processor ms", "ratio")
    print_table(f"Photographs a second, {options.model_set}", columns, rows)


def detectors() -> dict[str, Score]:
    """Settings with each detector that needs no file of the user's."""
    score = params.load().score
    return {
        "cascade": score.model_copy(update={"detector": Detector(name="cascade")}),
        "CenterFace": score.model_copy(update={"detector": Detector(name="centerface")}),
    }


if __name__ == "__main__":
    main()
