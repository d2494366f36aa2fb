"""What the stage `evaluate` has in common: predictions on disk, and how tables and pictures are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.evaluation.bootstrap import Estimate, Measure, estimates
from faces.evaluation.weighted_metrics import emotion_measure, keypoint_measure
from faces.models.tta import Inference, averaged, tempered
from tasks.common.dataset import Part
from tasks.common.files import replacing
from tasks.orchestration.api import leave_picture, leave_table

HEADLINE = {"emotion": "accuracy", "keypoints": "nme"}
METRIC_NAMES = {"emotion": "Accuracy", "keypoints": "NME"}
"""The metric that each head's pictures of slices and corruptions show."""


@dataclass(frozen=True)
class Evaluated:
    """Outputs for a part, in the order of its rows: probabilities (N, classes), or points (N, 15, 2) in pixels.

    `plain` are of the faces, `mirrored` of their mirror images, turned back. `flip_averaging` () and `temperature` ()
    say what is made of them: see `faces.models.tta`.
    """

    plain: np.ndarray
    mirrored: np.ndarray
    flip_averaging: np.ndarray
    temperature: np.ndarray
    rows: np.ndarray

    @property
    def inference(self) -> Inference:
        """How the headline predictions come about."""
        return Inference(bool(self.flip_averaging), float(self.temperature))

    @property
    def untempered(self) -> np.ndarray:
        """The headline predictions as they are before temperature scaling."""
        return averaged(self.plain, self.mirrored) if self.flip_averaging else self.plain

    @property
    def predicted(self) -> np.ndarray:
        """The headline predictions."""
        return tempered(self.untempered, float(self.temperature))


def save_evaluated(path: Path, evaluated: Evaluated) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **vars(evaluated))


def load_evaluated(path: Path) -> Evaluated:
    with np.load(path, allow_pickle=False) as arrays:
        return Evaluated(**{name: arrays[name] for name in Evaluated.__dataclass_fields__})


def measure_of(part: Part, predicted: np.ndarray) -> Measure:
    """The head's own metrics."""
    return (emotion_measure if part.is_emotion else keypoint_measure)(part.targets, predicted)


def measured(part: Part, predicted: np.ndarray) -> dict[str, Estimate]:
    """The head's own metrics, each with its interval over groups."""
    return estimates(measure_of(part, predicted), part.groups)


def flat(found: Mapping[str, Estimate], prefix: str = "") -> dict[str, float]:
    """`accuracy`, `accuracy_low`, `accuracy_high` and so on, for the metrics file."""
    ends = (("", 0), ("_low", 1), ("_high", 2))
    return {f"{prefix}{name}{end}": float(found[name][place]) for name in found for end, place in ends}


def keep_table(
    rows: Sequence[Mapping[str, object]], path: Path, key: str, description: str, metric: str | None = None
) -> None:
    """Write a table as CSV, empty where NaN, and leave it; of its metrics, with `metric`, that one only."""
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
    dropped = [name for name in rows[0] if f"{name}_low" in rows[0] and name != metric] if metric else []
    dropped += [f"{name}{end}" for name in dropped for end in ("_low", "_high")]
    leave_table(key, [{name: row[name] for name in row if name not in dropped} for row in rows], description)


def keep_picture(figure: Figure, path: Path, key: str, description: str) -> None:
    """Write a picture as PNG, and leave it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    leave_picture(key, path, description)
