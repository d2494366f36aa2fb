"""Planted defects: known numbers of invalid, incomplete and duplicate rows, to exercise the checks of the pipeline."""

from collections.abc import Iterator

import numpy as np

from faces.common.schema import KEYPOINTS, LEFT_EYE, RIGHT_EYE

DEFAULT_ROWS = {"keypoints": 2000, "emotion": 4000}
"""Table sizes for the counts in DEFECTS; smaller tables have proportionally fewer, at least one of each kind."""

DEFECTS = {
    "keypoints": {
        "short": 3,
        "over_range": 3,
        "constant": 3,
        "all_missing": 4,
        "some_missing": 160,
        "duplicate": 10,
    },
    "emotion": {"short": 3, "over_range": 3, "constant": 3, "unknown_label": 4, "duplicate": 10},
}

SMALLEST = 60
UNKNOWN_LABEL = 9
LOUDEST = 999

SPARSE_KEPT = ("left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip")
"""The only keypoints in most rows of the published table; a quarter of the incomplete rows here have only these."""


def planted(rows: int, model_name: str) -> dict[str, int]:
    """Number of rows with each kind of defect in a table of `rows` rows. Raises ValueError for fewer than SMALLEST."""
    if rows < SMALLEST:
        raise ValueError(f"a sample table needs at least {SMALLEST} rows to hold every defect, not {rows}")
    fraction = min(rows / DEFAULT_ROWS[model_name], 1.0)
    counts = {kind: max(1, int(count * fraction)) for kind, count in DEFECTS[model_name].items()}
    if model_name == "keypoints":
        # Incomplete rows are a constant fraction of the table, also beyond its default size.
        counts["some_missing"] = round(rows * DEFECTS[model_name]["some_missing"] / DEFAULT_ROWS[model_name])
    return counts


def defect_rows(generator: np.random.Generator, rows: int, model_name: str) -> dict[str, np.ndarray]:
    """Row numbers of each kind of defect, plus the undamaged "source" of each duplicate; no row occurs twice."""
    counts = planted(rows, model_name)
    counts["source"] = counts["duplicate"]
    order = generator.permutation(rows)
    ends = np.cumsum(list(counts.values()))
    return dict(zip(counts, np.split(order, ends)[:-1], strict=True))


def damage_pixels(pixels: list[np.ndarray], where: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Truncate, overflow and flatten the selected rows in place; each row is a flat integer array."""
    full = len(pixels[0])
    for nth, row in enumerate(where["short"]):
        # The first is the hardest to detect: a single value is missing.
        pixels[row] = pixels[row][: full - 1 if nth == 0 else int(generator.integers(full // 4, full - 1))]
    for row in where["over_range"]:
        loud = pixels[row].astype(np.int64)
        loud[generator.choice(full, 5, replace=False)] = generator.integers(256, LOUDEST + 1, 5)
        pixels[row] = loud
    for row in where["constant"]:
        pixels[row] = np.full(full, generator.integers(256))
    for row, source in _pairs(where):
        pixels[row] = pixels[source]


def damage_points(points: np.ndarray, where: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Set points (N, 15, 2) of the selected rows to NaN in place."""
    points[where["all_missing"]] = np.nan
    optional = np.setdiff1d(np.arange(len(KEYPOINTS)), [LEFT_EYE, RIGHT_EYE])
    sparse = [index for index, name in enumerate(KEYPOINTS) if name not in SPARSE_KEPT]
    for row in where["some_missing"]:
        few = generator.choice(optional, int(generator.integers(1, 5)), replace=False)
        points[row, sparse if generator.random() < 0.25 else few] = np.nan
    for row, source in _pairs(where):
        points[row] = points[source]


def damage_labels(labels: np.ndarray, where: dict[str, np.ndarray]) -> None:
    """Set an unknown code in the selected rows of labels (N,) in place; duplicates get the label of their source."""
    labels[where["unknown_label"]] = UNKNOWN_LABEL
    for row, source in _pairs(where):
        labels[row] = labels[source]


def _pairs(where: dict[str, np.ndarray]) -> Iterator[tuple[int, int]]:
    return zip(where["duplicate"].tolist(), where["source"].tolist(), strict=True)
