"""Effect of leakage: test metrics by augmentation kind, and by whether the face's group is in the training split.

    python -m benchmarks.leakage emotion [--project FOLDER]

Run it after `dvc repro evaluate@emotion`, once with `prepare.emotion.split.strategy: random` and once with `group`.
A test face is seen if a copy, a near-duplicate or another face of its subject is in the training split.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import params
from benchmarks.tables import print_table
from faces.evaluation.metrics import face_nme
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import InputError
from tasks.evaluation.predictions import METRIC_NAMES, load_predictions


def seen_in_training(test: FaceDataset, train: FaceDataset) -> np.ndarray:
    """Return whether each test face's group has a face in the training split, (N,) bool."""
    return np.isin(test.groups, train.groups)


def scores(test: FaceDataset, predicted: np.ndarray) -> np.ndarray:
    """Return each face's score, (N,): 1 or 0 for a right or wrong emotion, or NME, NaN without eye centres."""
    if test.is_emotion:
        return (predicted.argmax(axis=1) == test.targets).astype(float)
    return face_nme(test.targets, predicted)


def leakage_table(test: FaceDataset, train: FaceDataset, predicted: np.ndarray) -> pd.DataFrame:
    """Return a row for all test faces, and one per augmentation kind: face count, fraction seen, and three means.

    Columns `all`, `seen` and `unseen` are means of the score; `*_interval` are half widths of their 95% intervals. Both
    are NaN for fewer than two faces.
    """
    each, seen = scores(test, predicted), seen_in_training(test, train)
    rows = []
    for kind in ("all", *dict.fromkeys(test.augmentation_kind.tolist())):
        selected = (test.augmentation_kind == kind) | (kind == "all")
        row: dict[str, object] = {"kind": kind, "faces": selected.sum(), "seen_fraction": seen[selected].mean()}
        for name, which in (("all", selected), ("seen", selected & seen), ("unseen", selected & ~seen)):
            row[name], row[f"{name}_interval"] = _mean(each[which])
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of the values that are not NaN, and the half width of its 95% interval."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return float("nan"), float("nan")
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def measure(model_name: str, project: Path) -> tuple[FaceDataset, pd.DataFrame]:
    """Return a project's test split and its table.

    Raises InputError if there are no predictions, or they are of other faces than the test split's.
    """
    prepared, path = project / "data/prepared" / model_name, project / f"data/predictions/{model_name}.npz"
    remedy = f"run `dvc repro evaluate@{model_name}` first"
    if not path.exists():
        raise InputError(f"{path}: there are no predictions; {remedy}")
    test, predictions = load_dataset(prepared / "test.npz"), load_predictions(path)
    if not np.array_equal(test.rows, predictions.rows):
        raise InputError(f"{path}: predictions of other faces than those of {prepared / 'test.npz'}; {remedy}")
    return test, leakage_table(test, load_dataset(prepared / "train.npz"), predictions.predicted)


def show(model_name: str, test: FaceDataset, table: pd.DataFrame) -> None:
    """Print the table."""
    metric, rows = METRIC_NAMES[model_name], []
    for row in table.to_dict("records"):
        means = ((row[name], row[f"{name}_interval"]) for name in ("all", "seen", "unseen"))
        cells = ("-" if np.isnan(mean) else f"{mean:.4f} ± {interval:.4f}" for mean, interval in means)
        rows.append([row["kind"], str(row["faces"]), f"{row['seen_fraction']:.1%}", *cells])
    columns = ("test faces", "count", "seen in training", f"{metric}, all", "seen", "unseen")
    print_table(f"{model_name}: {metric} of test faces, {test.strategy} split{test.leakage_warning}", columns, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=params.MODELS)
    parser.add_argument("--project", type=Path, default=Path())
    options = parser.parse_args(arguments)
    try:
        test, table = measure(options.model, options.project)
    except InputError as error:
        sys.exit(str(error))
    show(options.model, test, table)


if __name__ == "__main__":
    main()
