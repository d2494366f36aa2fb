"""Damage put into the sample on purpose, in known numbers, so that the checks of the pipeline have work to do."""

from collections.abc import Iterator

import numpy as np

from faces.common.schema import KEYPOINTS, LEFT_EYE, RIGHT_EYE

DEFAULT_ROWS = {"keypoints": 2000, "emotion": 4000}
"""The sizes for which DEFECTS holds; smaller tables get proportionally fewer, at least one of each kind."""

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
"""All that most rows of the published table have; a quarter of our incomplete rows are like them."""


def planted(rows: int, head: str) -> dict[str, int]:
    """How many rows of each kind of damage a table of that many rows has."""
    if rows < SMALLEST:
        raise ValueError(f"a sample table needs at least {SMALLEST} rows to hold every defect, not {rows}")
    share = min(rows / DEFAULT_ROWS[head], 1.0)
    counts = {kind: max(1, int(count * share)) for kind, count in DEFECTS[head].items()}
    if head == "keypoints":
        # Incomplete rows are a share of any table, however long.
        counts["some_missing"] = round(rows * DEFECTS[head]["some_missing"] / DEFAULT_ROWS[head])
    return counts


def defect_rows(generator: np.random.Generator, rows: int, head: str) -> dict[str, np.ndarray]:
    """Row numbers for each kind of damage, plus the undamaged "source" of each duplicate; none occurs twice."""
    counts = planted(rows, head)
    counts["source"] = counts["duplicate"]
    order = generator.permutation(rows)
    ends = np.cumsum(list(counts.values()))
    return dict(zip(counts, np.split(order, ends)[:-1], strict=True))


def damage_pixels(pixels: list[np.ndarray], where: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Cut, overflow and flatten the chosen rows in place; each row is a flat integer array."""
    full = len(pixels[0])
    for nth, row in enumerate(where["short"]):
        # The first is the meanest: a single value is missing.
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
    """Blank points (N, 15, 2) of the chosen rows in place with NaN."""
    points[where["all_missing"]] = np.nan
    optional = np.setdiff1d(np.arange(len(KEYPOINTS)), [LEFT_EYE, RIGHT_EYE])
    sparse = [index for index, name in enumerate(KEYPOINTS) if name not in SPARSE_KEPT]
    for row in where["some_missing"]:
        few = generator.choice(optional, int(generator.integers(1, 5)), replace=False)
        points[row, sparse if generator.random() < 0.25 else few] = np.nan
    for row, source in _pairs(where):
        points[row] = points[source]


def damage_labels(labels: np.ndarray, where: dict[str, np.ndarray]) -> None:
    """Put an unknown code on the chosen rows of labels (N,) in place, and give duplicates the label they copy."""
    labels[where["unknown_label"]] = UNKNOWN_LABEL
    for row, source in _pairs(where):
        labels[row] = labels[source]


def _pairs(where: dict[str, np.ndarray]) -> Iterator[tuple[int, int]]:
    return zip(where["duplicate"].tolist(), where["source"].tolist(), strict=True)
