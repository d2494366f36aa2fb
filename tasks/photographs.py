"""Reads photographs, finds their faces, and writes what both networks say of each."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from faces.detection import cut_out, face_squares, put_back
from faces.labels import COORDINATES
from faces.photograph_figure import photograph_figure
from faces.pixels import SIZES
from faces.predictions import prediction_table
from tasks.files import InputError, whole_folder
from tasks.judged import Judged, predictors
from tasks.orchestration import Progress, leave_picture, log, task


@task
def score_photographs(photographs: Sequence[Path], judged: Judged, out: Path) -> Path:
    """Write `predictions.csv`, a row a face, points in pixels of its photograph, and the photographs with both drawn.

    Columns: `photograph`, `left`, `top` and `side` of the square that was cut out, then those of `prediction_table`,
    `row` counting the faces of a photograph from 1. The folder `out` is written whole or not at all. Raises InputError
    where it is there already, where a photograph cannot be read, or where none has a face.
    """
    if out.exists():
        raise InputError(f"{out}: is there already; name another folder, or remove it")
    networks, progress = predictors(judged), Progress("photographs", "photographs scored")
    tables = []
    with whole_folder(out) as folder:
        for number, path in enumerate(photographs, start=1):
            photograph = read_photograph(path)
            squares = face_squares(photograph)
            log(f"{path}: {len(squares)} faces")
            if len(squares):
                table = _predicted(photograph, squares, networks, judged.classes)
                tables.append(pd.concat([_places(path, squares), table], axis=1))
                _draw(photograph, squares, table, folder / f"{number:03}-{path.stem}.png")
            progress.update(number / len(photographs))
        if not tables:
            raise InputError(f"{', '.join(map(str, photographs))}: no face was found; upright faces are")
        pd.concat(tables).to_csv(folder / "predictions.csv", index=False, float_format="%.5g")
    for picture in sorted(out.glob("*.png")):
        leave_picture("photograph", picture, picture.stem)
    return out / "predictions.csv"


def read_photograph(path: Path) -> np.ndarray:
    """Grey levels (H, W) uint8, turned upright as its EXIF says. Raises InputError where it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct the path") from None
    try:
        photograph = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
    except cv2.error as error:
        raise InputError(f"{path}: OpenCV refuses it ({error.err}); make it smaller") from None
    if photograph is None:
        raise InputError(f"{path}: not a picture that OpenCV can read; give a JPEG or a PNG")
    return photograph


def _predicted(photograph: np.ndarray, squares: np.ndarray, networks: dict, classes: Sequence[str]) -> pd.DataFrame:
    outputs = {head: network(cut_out(photograph, squares, SIZES[head])) for head, network in networks.items()}
    points = put_back(outputs["keypoints"], squares, SIZES["keypoints"])
    return prediction_table(np.arange(1, len(squares) + 1), outputs["emotion"], classes, points)


def _places(path: Path, squares: np.ndarray) -> pd.DataFrame:
    left, top, side = squares.T
    return pd.DataFrame({"photograph": str(path), "left": left, "top": top, "side": side})


def _draw(photograph: np.ndarray, squares: np.ndarray, table: pd.DataFrame, picture: Path) -> None:
    points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    captions = [f"{name} {sure:.0%}" for name, sure in zip(table["emotion"], table["confidence"], strict=True)]
    photograph_figure(photograph, squares, points, captions).savefig(picture, dpi=110)
