"""Scoring speed of the original project's models and of ours, measured in one run.

    python -m benchmarks.scoring [--faces 10000] [--repeats 3] [--model-set released] [--in-memory]

First from faces in memory. The original's two models run as in the original project: one `predict` each over 96x96
faces, then a frame of 30 coordinates and an emotion. Our models (`released`, `fast`, or `workspace`, the approved ones
of this checkout) run in the inference engine that `score` uses, in float32 and in int8, and in Keras's `predict`. Then
end to end by `python -m flows score`: from a CSV, a folder of crops, and photographs of six faces each; and from the
CSV by one and by two single-threaded Dask workers. The original's weights are random, since its speed does not depend
on them, and the time to convert its input to float32 is not counted.

GFLOP/s count two operations per MAC, and flipped faces too. The peak is that of products of two float32 matrices of
2,048 x 2,048, the best before and after, by NumPy or by TensorFlow. Memory is the peak of the command's own process,
without Dask's.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import pandas as pd

from benchmarks.end_to_end import end_to_end
from benchmarks.tables import print_table
from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, LABEL_ENCODINGS
from faces.models import original_resnet
from faces.models.complexity import macs
from faces.models.tta import predict
from faces.scoring.prediction_table import prediction_table
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.models.approved_models import ApprovedModels, load_approved_models
from tasks.models.exports import PRECISIONS, export_path
from tasks.models.inference_engine import Predictor, make_predictor
from tasks.models.keras_files import load_model
from tasks.release.model_sets import GATE_RESULTS

ORIGINAL = "original"
NUM_DISTINCT = 500
"""Number of distinct faces; larger numbers of faces repeat them."""


def peak(size: int, times: int = 10) -> float:
    """Return the GFLOP/s of a product of two float32 matrices (size, size): the best by NumPy and Keras's backend.

    On some processors, NumPy's library uses vectors of half the width.
    """
    one, other = np.random.default_rng(0).random((2, size, size), np.float32)
    tensors = [keras.ops.convert_to_tensor(matrix) for matrix in (one, other)]
    products = (lambda: one @ other), (lambda: keras.ops.convert_to_numpy(keras.ops.matmul(*tensors)))
    return max(2 * size**3 / seconds(product) / 1e9 for product in products for _ in range(times))


def seconds(function: Callable[[], object]) -> float:
    """Return the wall-clock time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def score_by_original(images: np.ndarray) -> Callable[[], object]:
    """Return a function that scores images (N, 96, 96) uint8 by the original's models, to a frame."""
    keypoints = original_resnet.keypoints_model(SIZES["keypoints"], 0.0, 255.0)
    emotion = original_resnet.emotion_model(SIZES["keypoints"], len(LABEL_ENCODINGS["course"]), 0.0, 255.0)

    def score() -> pd.DataFrame:
        frame = pd.DataFrame(keypoints.predict(images, verbose=0).reshape(-1, 30), columns=list(COORDINATES))
        return frame.assign(emotion=emotion.predict(images, verbose=0).argmax(axis=1))

    return score


def by_keras(files: dict[str, Path], approved: ApprovedModels) -> Predictor:
    """Return a predictor that runs the model files with Keras's `predict`."""
    models = {model_name: load_model(path) for model_name, path in files.items()}
    return lambda faces: {
        model_name: predict(model, faces[model_name], approved.inference[model_name])
        for model_name, model in models.items()
    }


def by_engine(files: dict[str, Path], precision: str, approved: ApprovedModels) -> Predictor:
    """Return a predictor that runs the exports of the model files with the inference engine."""
    exports = {model_name: export_path(path, precision) for model_name, path in files.items()}
    return make_predictor(exports, approved.inference)


def score_by_ours(images: np.ndarray, approved: ApprovedModels, predict: Predictor) -> Callable[[], object]:
    """Return a function that resizes the images for each of our models and scores them, to a table of predictions."""

    def score() -> pd.DataFrame:
        outputs = predict({model_name: resize_images(images, size) for model_name, size in SIZES.items()})
        return prediction_table(np.arange(len(images)), outputs["emotion"], approved.classes, outputs["keypoints"])

    return score


def operations(files: dict[str, Path], approved: ApprovedModels) -> float:
    """Return the GFLOP per face of both models: two per MAC, twice as many with flip TTA."""
    return sum(
        2 * macs(load_model(path)) * (2 if approved.inference[model_name].flip_tta else 1) / 1e9
        for model_name, path in files.items()
    )


def ways_of(images: np.ndarray, files: dict[str, Path], approved: ApprovedModels) -> dict[str, Callable[[], object]]:
    """Return the functions to compare, by name; each scores the same images (N, 96, 96) uint8."""
    return {
        ORIGINAL: score_by_original(images),
        "ours, Keras's predict": score_by_ours(images, approved, by_keras(files, approved)),
        **{
            f"ours, {precision}": score_by_ours(images, approved, by_engine(files, precision, approved))
            for precision in PRECISIONS
        },
    }


def in_turn(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each way in each repeat. The ways alternate, after a first call of each that compiles."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(seconds(way))
    return times


def table_rows(median: dict[str, float], num_faces: int, cost: float, peak_rate: float) -> list[list[str]]:
    """Return a row per way; `cost` is ours in GFLOP per face, `peak_rate` the machine's GFLOP/s."""
    rows = []
    for name, one in median.items():
        rate = 0.0 if name == ORIGINAL else cost * num_faces / one
        compute = f"{rate:.0f} ({rate / peak_rate:.0%})" if rate else ""
        rows.append([name, f"{num_faces / one:.0f}", f"{median[ORIGINAL] / one:.2f}", compute])
    return rows


def in_memory(
    images: np.ndarray, files: dict[str, Path], approved: ApprovedModels, repeats: int, matrix: int
) -> list[list[str]]:
    """Return a row per way: faces per second, relative to the original's, and the fraction of the peak GFLOP/s."""
    before = peak(matrix)
    times = in_turn(ways_of(images, files, approved), repeats)
    peak_rate = max(before, peak(matrix))
    print(json.dumps({"peak GFLOP/s": peak_rate, "seconds": times}), file=sys.stderr)
    median = {name: float(np.median(some)) for name, some in times.items()}
    return table_rows(median, len(images), operations(files, approved), peak_rate)


def model_files(model_set: str) -> dict[str, Path]:
    """Return the model files of a model set, as its gate result names them."""
    models = json.loads(GATE_RESULTS[model_set].read_text())["models"]
    return {model_name: Path(model["path"]) for model_name, model in models.items()}


def sample_faces(count: int) -> np.ndarray:
    """Draw synthetic faces (count, 96, 96) uint8: NUM_DISTINCT distinct ones, repeated."""
    drawn = min(count, NUM_DISTINCT)
    images, _ = draw_faces(np.random.default_rng(1), np.arange(drawn) % 5, SIZES["keypoints"], KEYPOINTS_FRAMING)
    return images[np.arange(count) % drawn]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model-set", choices=GATE_RESULTS, default="released")
    parser.add_argument("--matrix", type=int, default=2048, help="rows of the matrices whose product gives the peak")
    parser.add_argument("--in-memory", action="store_true", help="skip the end-to-end measurements")
    options = parser.parse_args(arguments)
    images = sample_faces(options.faces)
    approved, files = load_approved_models(GATE_RESULTS[options.model_set]), model_files(options.model_set)
    rows = in_memory(images, files, approved, options.repeats, options.matrix)
    columns = ("way", "faces/s", "relative to original", "GFLOP/s (of peak)")
    print_table(f"{options.faces:,} faces in memory", columns, rows)
    if options.in_memory:
        return
    with TemporaryDirectory() as folder:
        rows = end_to_end(Path(folder), images, options.model_set)
    print_table("End to end, with imports", ("input", "faces", "s", "faces/s", "peak MB"), rows)


if __name__ == "__main__":
    main()
