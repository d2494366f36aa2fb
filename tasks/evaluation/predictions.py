"""Shared code of the stage `evaluate`: predictions on disk, metrics with intervals, and writing of tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from faces.evaluation.bootstrap import Estimate, Measure, bootstrap_intervals
from faces.evaluation.weighted_metrics import emotion_measure, keypoint_measure
from faces.models.tta import Inference, average_flipped, calibrate
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import replacing
from tasks.orchestration.artifacts import log_table

HEADLINE_METRIC = {"emotion": "accuracy", "keypoints": "nme"}
METRIC_NAMES = {"emotion": "Accuracy", "keypoints": "NME"}
"""The metric that each model's tables and figures of slices and corruptions show."""


@dataclass(frozen=True)
class Predictions:
    """A model's outputs for a split, in row order: probabilities (N, classes) or points (N, 15, 2) in pixels.

    `no_tta` are outputs of the images, `flipped` of the flipped images, flipped back, for the output classes and not
    calibrated. `flip_tta` (), `temperature` (), `class_indices` and `biases` are the inference settings: see
    `faces.models.tta`. `rows` (N,) are row numbers of the raw table. `precision` () is that of the exported model;
    `other_precision` are the uncalibrated outputs of the other one, with the same flip TTA.
    """

    no_tta: np.ndarray
    flipped: np.ndarray
    flip_tta: np.ndarray
    temperature: np.ndarray
    rows: np.ndarray
    precision: np.ndarray
    other_precision: np.ndarray
    class_indices: np.ndarray = field(default_factory=lambda: np.array([], np.int64))
    biases: np.ndarray = field(default_factory=lambda: np.array([], np.float64))

    @property
    def inference(self) -> Inference:
        """The inference settings of the headline predictions."""
        return Inference(
            bool(self.flip_tta),
            float(self.temperature),
            tuple(self.class_indices.tolist()),
            tuple(self.biases.tolist()),
        )

    @property
    def uncalibrated(self) -> np.ndarray:
        """The headline predictions before calibration."""
        return average_flipped(self.no_tta, self.flipped) if self.flip_tta else self.no_tta

    @property
    def predicted(self) -> np.ndarray:
        """The headline predictions."""
        return calibrate(self.uncalibrated, self.inference)


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as `.npz`; equal predictions give equal bytes."""
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **vars(predictions))


def load_predictions(path: Path) -> Predictions:
    """Returns what `save_predictions` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Predictions(**{name: arrays[name] for name in Predictions.__dataclass_fields__})


def load_split(prepared: Path, split: str) -> FaceDataset:
    """Returns the faces of output classes of a prepared split: train, validation or test."""
    return load_dataset(prepared / f"{split}.npz").with_output_classes()


def metric_function(dataset: FaceDataset, predicted: np.ndarray) -> Measure:
    """Returns the metrics of the dataset's task, keypoints or emotion, as a function of sample weights."""
    return (emotion_measure if dataset.is_emotion else keypoint_measure)(dataset.targets, predicted)


def metric_intervals(dataset: FaceDataset, predicted: np.ndarray) -> dict[str, Estimate]:
    """Returns the metrics of the dataset's task, each with its interval over groups."""
    return bootstrap_intervals(metric_function(dataset, predicted), dataset.groups)


def flat(intervals: Mapping[str, Estimate], prefix: str = "") -> dict[str, float]:
    """Returns `accuracy`, `accuracy_low`, `accuracy_high` and so on, for the metrics file."""
    ends = (("", 0), ("_low", 1), ("_high", 2))
    return {f"{prefix}{name}{end}": float(intervals[name][index]) for name in intervals for end, index in ends}


def save_table(
    rows: Sequence[Mapping[str, object]], path: Path, key: str, description: str, metric: str | None = None
) -> None:
    """Write a table as CSV, empty where NaN, and log it; with `metric`, the logged table has only that metric."""
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
    dropped = [name for name in rows[0] if f"{name}_low" in rows[0] and name != metric] if metric else []
    dropped += [f"{name}{end}" for name in dropped for end in ("_low", "_high")]
    log_table(key, [{name: row[name] for name in row if name not in dropped} for row in rows], description)
