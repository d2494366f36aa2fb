"""What `--mode auto` makes of pictures that are one tight face, at several sizes.

    python -m benchmarks.tight_crops emotion.csv [--faces 1000] [--sizes 48 96 128 224 512] [--model-set released]

The table is a raw emotion table with the labels of the original project. Its faces are resized; for each size the share
that is scored, the share taken whole, and the accuracy over all faces, where one that is not scored counts as an error.
The last column is the accuracy of the same pictures by `--mode whole`.
"""

import argparse
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import params
from benchmarks.tables import print_table
from faces.common.schema import LABEL_ENCODINGS
from params import Score
from tasks.models.approved_models import ApprovedModels, load_approved_models
from tasks.models.inference_engine import Predictor, make_predictor
from tasks.readers.records import Record
from tasks.release.model_sets import GATE_RESULTS
from tasks.scoring.face_crops import crop_faces
from tasks.scoring.prediction_rows import model_info, predict_rows


def read_faces(path: Path, count: int, seed: int) -> tuple[list[Image.Image], np.ndarray]:
    """Read faces of a raw emotion table, drawn at random, and their emotions (n,)."""
    table = pd.read_csv(path, skipinitialspace=True).sample(frac=1, random_state=seed).head(count)
    pixels = [np.array(text.split(), np.uint8) for text in table["pixels"]]
    names = np.array(LABEL_ENCODINGS["course"])
    images = [Image.fromarray(one.reshape(round(len(one) ** 0.5), -1)) for one in pixels]
    return images, names[table["emotion"].to_numpy()]


def records_of(images: Sequence[Image.Image], size: int) -> list[Record]:
    """The faces as PNG files of this size."""
    records = []
    for number, image in enumerate(images):
        content = BytesIO()
        image.resize((size, size), Image.Resampling.BICUBIC).save(content, "PNG", compress_level=1)
        records.append(Record(str(number), 0, content.getvalue()))
    return records


def row(
    size: int,
    images: Sequence[Image.Image],
    truth: np.ndarray,
    settings: Score,
    approved: ApprovedModels,
    run: Predictor,
) -> list[str]:
    """Shares scored and taken whole, and the accuracy by `auto` and by `whole`."""
    records, accuracies, shares = records_of(images, size), [], []
    for mode in ("auto", "whole"):
        crops = crop_faces(records, mode, settings)
        # Of several faces in a picture, the largest counts.
        first = ~crops.detections["source"].duplicated().to_numpy()
        owners = crops.detections["source"].to_numpy(int)[first]
        rows = predict_rows(crops, run, model_info(approved, ""), settings).predictions
        emotions = rows["emotion"].to_numpy(zero_copy_only=False)[first]
        accuracies.append((emotions == truth[owners]).sum() / len(truth))
        taken_whole = (crops.detections["box_size"] == size).to_numpy()[first]
        shares.append([len(owners) / len(truth), taken_whole.sum() / len(truth)])
    return [str(size), *(f"{share:.4f}" for share in (*shares[0], *accuracies))]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 96, 128, 224, 512])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model-set", choices=GATE_RESULTS, default="released")
    options = parser.parse_args(arguments)
    images, truth = read_faces(options.table, options.faces, options.seed)
    approved = load_approved_models(GATE_RESULTS[options.model_set])
    run = make_predictor(approved.paths, approved.inference)
    rows = [row(size, images, truth, params.load().score, approved, run) for size in options.sizes]
    columns = ("size, px", "scored", "taken whole", "accuracy", "accuracy by whole")
    print_table(f"{len(images):,} tight faces, {options.model_set}", columns, rows)


if __name__ == "__main__":
    main()
