"""How fast faces are scored: the original's way and ours, side by side in one run.

    python -m benchmarks.scoring [--faces 10000] [--repeats 3] [--models released]

First from faces in memory: the original's two networks as it used them, one `predict` each over 96x96 faces, then its
frame of 30 coordinates and an emotion; against our networks (`released`, `fast`, or `workspace`, those that
passed the gate here) in the engine that `score` uses, and in Keras's `predict`. Then end to end by
`python -m flows.score`, from a CSV, a folder of crops, and photographs of six faces each; and from the CSV by one and
by two Dask workers of one thread each, beside this machine's own way. The original's weights are as drawn: what it
takes does not depend on them; nor is it charged for its float32 faces.

GFLOP/s are two for each multiply-add, mirrored faces counted. The peak is that of products of two float32 matrices of
2,048 x 2,048, the best before and after, by NumPy or by TensorFlow. Memory is the peak of the command's own process;
Dask's have theirs.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.end_to_end import end_to_end
from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, LABEL_SETS
from faces.models import original_resnet
from faces.models.complexity import multiply_adds
from faces.scoring.prediction_table import prediction_table
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from flows.score import VERDICTS
from tasks.models.approved_models import Judged, judged_networks, predictors
from tasks.models.inference_engine import predictor_of
from tasks.models.keras_files import load_network

ORIGINAL = "the original's way"
DRAWN = 500
"""Different faces; more are these again."""


def peak() -> float:
    """GFLOP/s of a product of two float32 matrices, the best of ten by NumPy and ten by Keras's backend.

    On some processors NumPy's library uses vectors of half the width.
    """
    one, other = np.random.default_rng(0).random((2, 2048, 2048), np.float32)
    here, there = (keras.ops.convert_to_tensor(matrix) for matrix in (one, other))
    products = (lambda: one @ other), (lambda: keras.ops.convert_to_numpy(keras.ops.matmul(here, there)))
    return max(2 * 2048**3 / seconds(product) / 1e9 for product in products for _ in range(10))


def seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def the_original_s_way(faces: np.ndarray) -> Callable[[], object]:
    """Both networks over faces (N, 96, 96) uint8, then the frame."""
    points = original_resnet.keypoints_network(SIZES["keypoints"], 0.0, 255.0)
    emotion = original_resnet.emotion_network(SIZES["keypoints"], len(LABEL_SETS["course"]), 0.0, 255.0)

    def score() -> pd.DataFrame:
        frame = pd.DataFrame(points.predict(faces, verbose=0).reshape(-1, 30), columns=list(COORDINATES))
        return frame.assign(emotion=emotion.predict(faces, verbose=0).argmax(axis=1))

    return score


def our_way(faces: np.ndarray, judged: Judged, in_keras: bool) -> Callable[[], object]:
    """The same faces, resized for each network, to the table of predictions."""
    by_head = predictors(judged)
    predict = (
        (lambda images: {head: by_head[head](images[head]) for head in images})
        if in_keras
        else predictor_of(judged.paths, judged.inference)
    )

    def score() -> pd.DataFrame:
        outputs = predict({head: resize_images(faces, size) for head, size in SIZES.items()})
        return prediction_table(np.arange(len(faces)), outputs["emotion"], judged.classes, outputs["keypoints"])

    return score


def operations(judged: Judged) -> float:
    """GFLOP a face."""
    return sum(
        2 * multiply_adds(load_network(path)) * (2 if judged.inference[head].flip_averaging else 1) / 1e9
        for head, path in judged.paths.items()
    )


def in_memory(faces: np.ndarray, judged: Judged, repeats: int) -> list[list[str]]:
    """A row a way: the median of some repeats, which take turns."""
    ways = {
        ORIGINAL: the_original_s_way(faces),
        "ours, Keras's predict": our_way(faces, judged, in_keras=True),
        "ours, as `score` does": our_way(faces, judged, in_keras=False),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    before = peak()
    for _ in range(repeats):
        for name, way in ways.items():
            taken[name].append(seconds(way))
    most, median = max(before, peak()), {name: float(np.median(times)) for name, times in taken.items()}
    cost = {name: operations(judged) for name in ways if name != ORIGINAL}
    rows = []
    for name, one in median.items():
        reached = cost.get(name, 0) * len(faces) / one
        ratio = median[ORIGINAL] / one
        rows.append(
            [
                name,
                f"{len(faces) / one:.0f}",
                f"{ratio:.2f}",
                f"{reached:.0f} ({reached / most:.0%})" if reached else "",
            ]
        )
    print(json.dumps({"peak GFLOP/s": most, "seconds": taken}))
    return rows


def shown(title: str, names: list[str], rows: list[list[str]]) -> None:
    table = Table(*names, title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", choices=VERDICTS, default="released")
    given = parser.parse_args()
    drawn, _ = draw_faces(np.random.default_rng(1), np.arange(DRAWN) % 5, SIZES["keypoints"], KEYPOINTS_FRAMING)
    faces = drawn[np.arange(given.faces) % DRAWN]
    names = ["way", "faces/s", "times the original's", "GFLOP/s (of the peak)"]
    shown(
        f"{given.faces:,} faces in memory",
        names,
        in_memory(faces, judged_networks(VERDICTS[given.models]), given.repeats),
    )
    with TemporaryDirectory() as folder:
        rows = end_to_end(Path(folder), faces, given.models)
    shown("End to end, Python's start included", ["input", "faces", "s", "faces/s", "peak MB"], rows)


if __name__ == "__main__":
    main()
