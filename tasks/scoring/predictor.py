"""Scores arrays and files from Python with models that stay loaded: the same rows as those of a batch."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from faces.common.pixel_text import MIN_SIDE
from params import Score
from tasks.common.files import InputError
from tasks.models import inference_engine
from tasks.models.approved_models import ApprovedModels
from tasks.readers.layouts import has_videos
from tasks.readers.records import Record, Shard, shards_of
from tasks.readers.sources import find_sources, require_outside
from tasks.scoring.batch import score_here, score_sources
from tasks.scoring.face_detector import make_detector
from tasks.scoring.prediction_rows import ModelInfo, model_info
from tasks.scoring.run_folder import finish_run
from tasks.transfer.uploads import require_local
from tasks.video.frames import FrameOptions
from tasks.video.track_table import Tracking, finished

SOURCE = "images"
"""The column `source` of faces that were given as arrays; `row` counts them from 1."""

Images = np.ndarray | Sequence[np.ndarray]
PathLike = str | os.PathLike[str]
Mode = Literal["auto", "detect", "whole"]


@dataclass(frozen=True)
class Predictor:
    """Both models of a model set, loaded: `info` is what the tables say of them, `settings` are the section `score`.

    Every table has the columns of `predictions.parquet`, one row per face. Its `attrs["skipped"]` lists `source`, `row`
    and `reason` of each image without a face; `attrs["left_out"]` says which files were not looked at.
    """

    info: ModelInfo
    approved: ApprovedModels = field(repr=False)
    settings: Score = field(repr=False)
    run: inference_engine.Predictor = field(repr=False)

    def predict(self, images: Images, mode: Mode = "whole") -> pd.DataFrame:
        """The predictions for images: uint8 grey (H, W) or RGB (H, W, 3) of any sizes, as one array or a list.

        `mode`: each image is one face (`whole`), faces are detected (`detect`), or `auto`: whole up to the size of a
        crop, or where one face fills it. Keypoints are in pixels of their image. Raises InputError that names the first
        image that is no such array, or holds only 0 and 1. A constant image is skipped.
        """
        _check_mode(mode)
        _check_images(images)
        # These are numbered as rows of a table are, and predicted as images are.
        info = self.info._replace(table_classes=None)
        return self._table(_shards(images, mode, self.settings.shard_size), mode, info)

    def predict_files(
        self,
        paths: PathLike | Iterable[PathLike],
        mode: Mode = "auto",
        out: PathLike | None = None,
        fps: float | None = None,
    ) -> pd.DataFrame:
        """The predictions for files, folders, patterns or addresses, as `faces score` writes them; writes no file.

        `fps`: of videos only the frames nearest to such a time grid; None: all frames. With `out`, a new folder, both
        tables are written into it too, and an interrupted run resumes there. Raises InputError if nothing is found, or
        `out` exists already.
        """
        _check_mode(mode)
        if fps is not None and not 0 < fps < np.inf:
            raise InputError(f"fps = {fps}: not a positive number of frames per second; omit it for all frames")
        given = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
        sources, left_out = find_sources(given)
        if out is None:
            frames = FrameOptions(self.settings.max_image_pixels, fps)
            shards = shards_of(sources, self.settings.shard_size, frames=frames)
            tracking = Tracking(self.settings.video, fps) if has_videos(sources) else None
            return self._table(shards, mode, self.info, left_out, tracking)
        require_local(os.fspath(out))
        folder = Path(out)
        require_outside(folder, given)
        score_sources(sources, self.approved, self.info.version, mode, self.settings, folder, predict=self.run, fps=fps)
        finish_run(folder)
        predictions, skipped = (pd.read_parquet(folder / f"{name}.parquet") for name in ("predictions", "skipped"))
        return _with_skipped(predictions, skipped, left_out)

    def _table(
        self, shards: Iterable[Shard], mode: Mode, info: ModelInfo, left_out: str = "", tracking: Tracking | None = None
    ) -> pd.DataFrame:
        rows = [rows for _, rows in score_here(shards, self.run, info, mode, self.settings)]
        tables = (finished(tables, tracking) for tables in zip(*rows, strict=True))
        predictions, skipped = (pa.concat_tables(tables).to_pandas() for tables in tables)
        return _with_skipped(predictions, skipped, left_out)


def make_predictor(approved: ApprovedModels, version: str, settings: Score) -> Predictor:
    """Load approved models. Raises InputError if a model or the face detector cannot be loaded."""
    make_detector(settings)
    run = inference_engine.make_predictor(approved.paths, approved.inference, approved.table_inference)
    return Predictor(model_info(approved, version), approved, settings, run)


def _with_skipped(predictions: pd.DataFrame, skipped: pd.DataFrame, left_out: str = "") -> pd.DataFrame:
    # As plain values: a table in `attrs` breaks pandas.concat.
    predictions.attrs |= {"skipped": skipped.to_dict("records"), "left_out": left_out}
    return predictions


def _check_mode(mode: str) -> None:
    if mode not in get_args(Mode):
        raise InputError(f"mode = {mode!r}: not one of {', '.join(get_args(Mode))}")


def _check_images(images: Images) -> None:
    """Raise InputError for anything but at least one image, all of them uint8 and (H, W) or (H, W, 3)."""
    if isinstance(images, str | os.PathLike):
        raise InputError(f"images = {str(images)!r} is a path; use predict_files")
    if isinstance(images, np.ndarray) and images.ndim < 3:
        raise InputError(f"images have the shape {images.shape}, not (N, H, W); give one image as [image]")
    if not len(images):
        raise InputError("images are empty; give at least one image")
    for number, image in enumerate(images):
        name = f"images[{number}]"
        if isinstance(image, str | os.PathLike):
            raise InputError(f"{name} = {str(image)!r} is a path; use predict_files")
        if not isinstance(image, np.ndarray):
            raise InputError(f"{name} is a {type(image).__name__}, not an array; give numpy.asarray(image)")
        if image.dtype != np.uint8:
            nan = " with NaN" if image.dtype.kind == "f" and np.isnan(image).any() else ""
            raise InputError(
                f"{name} is {image.dtype}{nan}, not uint8; give grey levels 0..255 (values 0..1 times 255)"
            )
        if image.max(initial=0) == 1:
            raise InputError(f"{name} has only the values 0 and 1; give grey levels 0..255 (values 0..1 times 255)")
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise InputError(f"{name} has the shape {image.shape}, not (H, W) or (H, W, 3); change its axes")
        if min(image.shape[:2]) < MIN_SIDE:
            raise InputError(
                f"{name} has the shape {image.shape}: a side under {MIN_SIDE} px is too small for a face; "
                "leave it out, or give a single colour image as [image]"
            )


def _shards(images: Images, mode: Mode, size: int) -> Iterator[Shard]:
    for number, start in enumerate(range(0, len(images), size)):
        chunk = enumerate(images[start : start + size], start=start + 1)
        yield Shard(number, [Record(SOURCE, row, _content(image, mode)) for row, image in chunk])


def _content(image: np.ndarray, mode: Mode) -> np.ndarray | bytes:
    """Grey levels (H, W) of an image known to be one face; the bytes of a file where faces may have to be detected."""
    grey = Image.fromarray(image).convert("L")
    if mode == "whole":
        return np.asarray(grey)
    content = BytesIO()
    grey.save(content, "PNG", compress_level=1)
    return content.getvalue()
