"""What a leak is worth: test metrics of the split at hand, by kind of face, and by whether training saw the like of it.

    python -m benchmarks.leakage emotion [--project FOLDER]

Run it after `dvc repro evaluate@emotion`, once under `prepare.emotion.split.protocol: random` and once under `grouped`.
A test face is seen where a copy or a near-duplicate of it, or a face of its person, stands in the training part.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from faces.evaluation.metrics import face_nme
from tasks.common.dataset import Part, load_part


def seen_in_training(test: Part, train: Part, groups: pd.Series) -> np.ndarray:
    """Whether each test face's group, (N,) bool, has a face in the training part; `groups` by row number."""
    return np.isin(groups[test.rows].to_numpy(str), groups[train.rows].to_numpy(str))


def scores(test: Part, predicted: np.ndarray) -> np.ndarray:
    """Each face's score, (N,): 1 or 0 for a right or wrong emotion, NME for key points."""
    if test.is_emotion:
        return (predicted.argmax(axis=1) == test.targets).astype(float)
    return face_nme(test.targets, predicted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", choices=["keypoints", "emotion"])
    parser.add_argument("--project", type=Path, default=Path())
    options = parser.parse_args()
    prepared, evaluated = options.project / "data/prepared" / options.head, options.project / "data/evaluated"
    if not (evaluated / f"{options.head}.npz").exists():
        sys.exit(f"{evaluated}: no predictions there; run `dvc repro evaluate@{options.head}` first")
    test, train = load_part(prepared / "test.npz"), load_part(prepared / "train.npz")
    groups = pd.read_csv(prepared / "groups.csv", keep_default_na=False).set_index("row")["group"]
    with np.load(evaluated / f"{options.head}.npz", allow_pickle=False) as arrays:
        each = scores(test, arrays["predicted"])
    seen = seen_in_training(test, train, groups)
    metric = "accuracy" if test.is_emotion else "NME"
    table = Table(
        title=f"{options.head}: {metric} of test faces, {test.protocol} split{test.caution}", title_justify="left"
    )
    for column in ("test faces", "number", "seen in training", f"{metric}, all", "of those seen", "of those not seen"):
        table.add_column(column)
    for kind in ("all", *dict.fromkeys(test.kinds.tolist())):
        chosen = (test.kinds == kind) | (kind == "all")
        figures = [_mean(each[chosen & which]) for which in (np.ones_like(seen), seen, ~seen)]
        table.add_row(kind, str(chosen.sum()), f"{seen[chosen].mean():.1%}", *figures)
    Console().print(table)


def _mean(values: np.ndarray) -> str:
    """Mean and 95% interval of it, of what is not NaN."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return "-"
    return f"{values.mean():.4f} ± {1.96 * values.std(ddof=1) / np.sqrt(len(values)):.4f}"


if __name__ == "__main__":
    main()
