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
from tasks.files import InputError, sha256, whole_folder
from tasks.judged import Judged, predictors
from tasks.orchestration import Progress, leave_picture, leave_table, log, task

SOURCES = "sources.csv"
LEFT = 12
"""Pictures that a run leaves in the UI; all are in the folder."""


@task
def score_photographs(photographs: Sequence[Path], judged: Judged, out: Path) -> Path:
    """Write `predictions.csv`, a row a face, points in pixels of its photograph, and the photographs with both drawn.

    Columns: `photograph`, `left`, `top` and `side` of the square that was cut out, then those of `prediction_table`,
    `row` counting the faces of a photograph from 1. `sources.csv` has a row a photograph: `source`, `sha256`, `faces`,
    and the `reason` where there are none. The folder `out` is written whole or not at all. Raises InputError where it
    is there already, or a photograph is not.
    """
    if out.exists():
        raise InputError(f"{out}: is there already; name another folder, or remove it")
    if absent := [path for path in photographs if not path.is_file()]:
        raise InputError(f"{absent[0]}: there is no such file; correct the path")
    networks, progress = predictors(judged), Progress("photographs", "photographs scored")
    tables, sources = [], []
    with whole_folder(out) as folder:
        for number, path in enumerate(photographs, start=1):
            photograph, squares, reason = _found(path)
            log(f"{path}: {reason or f'{len(squares)} faces'}")
            sources.append({"source": str(path), "sha256": sha256(path), "faces": len(squares), "reason": reason})
            if len(squares):
                table = _predicted(photograph, squares, networks, judged.classes)
                tables.append(_placed(path, squares, table))
                _draw(photograph, squares, table, folder / f"{number:03}-{path.stem}.png")
            progress.update(number / len(photographs))
        pd.concat(tables or [_nobody(judged.classes)]).to_csv(
            folder / "predictions.csv", index=False, float_format="%.5g"
        )
        pd.DataFrame(sources).to_csv(folder / SOURCES, index=False)
    leave_table("sources", sources, f"{sum(map(len, tables))} faces in {len(sources)} photographs: {out}")
    for picture in sorted(out.glob("*.png"))[:LEFT]:
        leave_picture("photograph", picture, picture.stem)
    return out / "predictions.csv"


def _found(path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """A photograph, the squares of its faces, and why there are none."""
    try:
        photograph = read_photograph(path)
    except InputError as error:
        return np.zeros((1, 1), np.uint8), np.empty((0, 3)), str(error).removeprefix(f"{path}: ")
    squares = face_squares(photograph)
    return photograph, squares, "" if len(squares) else "no face was found; upright faces are"


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


def _placed(path: Path, squares: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    left, top, side = squares.T
    places = pd.DataFrame({"photograph": str(path), "left": left, "top": top, "side": side})
    return pd.concat([places, table], axis=1)


def _nobody(classes: Sequence[str]) -> pd.DataFrame:
    """The table of predictions of no face: its columns."""
    none = prediction_table(np.arange(0), np.empty((0, len(classes))), classes, np.empty((0, 15, 2)))
    return _placed(Path(), np.empty((0, 3)), none)


def _draw(photograph: np.ndarray, squares: np.ndarray, table: pd.DataFrame, picture: Path) -> None:
    points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    captions = [f"{name} {sure:.0%}" for name, sure in zip(table["emotion"], table["confidence"], strict=True)]
    photograph_figure(photograph, squares, points, captions).savefig(picture, dpi=110)
