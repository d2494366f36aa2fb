"""Compares a challenger with the champion on the same test images: a paired bootstrap with Holm's correction."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from faces.evaluation.bootstrap import MIN_GROUPS, Measure, group_weights, rests_on_enough
from faces.evaluation.weighted_metrics import class_measure, difference, keypoint_measure

LEVEL = 0.05
"""Family-wise error rate: the probability that an equal challenger is rejected."""

RESAMPLES = 4000
"""Enough for a p-value well below the smallest level of Holm's correction."""


class Comparison(NamedTuple):
    """One metric of both models on the same images.

    `worse` is by how much the challenger is worse (negative: better); `low` and `high` bound its 95% interval. `p` is
    the p-value of the hypothesis that the challenger is worse by at most `tolerance`. `rejected` is decided on all
    comparisons together.
    """

    model: str
    metric: str
    champion: float
    challenger: float
    worse: float
    low: float
    high: float
    tolerance: float
    p: float
    rejected: bool = False


def emotion_comparisons(
    labels: np.ndarray,
    champion: np.ndarray,
    challenger: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    *,
    accuracy: float,
    recall: float,
) -> list[Comparison]:
    """Compares accuracy and the recall of each class; labels (N,), probabilities (N, classes), groups (N,).

    `accuracy` and `recall` are the tolerated drops.
    """

    def measure(probabilities: np.ndarray) -> Measure:
        correct, each = (probabilities.argmax(axis=1) == labels).astype(float), class_measure(labels, probabilities)
        return lambda weights: {
            "accuracy": weights @ correct / weights.sum(axis=1),
            **{f"recall of {name}": column for name, column in zip(classes, each(weights)["recall"].T, strict=True)},
        }

    tolerances = {"accuracy": accuracy} | {f"recall of {name}": recall for name in classes}
    return _comparisons("emotion", measure(champion), measure(challenger), groups, tolerances, better=1)


def keypoint_comparisons(
    points: np.ndarray, champion: np.ndarray, challenger: np.ndarray, groups: np.ndarray, *, nme: float
) -> list[Comparison]:
    """Compares the NME; points (N, 15, 2), NaN = unlabelled. `nme` is the tolerated increase."""
    measures = keypoint_measure(points, champion), keypoint_measure(points, challenger)
    return _comparisons("keypoints", *measures, groups, {"nme": nme}, better=-1)


def _comparisons(
    model_name: str,
    champion: Measure,
    challenger: Measure,
    groups: np.ndarray,
    tolerances: Mapping[str, float],
    better: int,
) -> list[Comparison]:
    """`better` is 1 where larger is better, -1 where smaller is.

    Metrics that are undefined on these images are omitted. A metric that depends on very few groups rejects nothing.
    """
    whole, enough = np.ones((1, len(groups))), len(np.unique(groups)) >= MIN_GROUPS
    of_champion, of_challenger = champion(whole), challenger(whole)
    resampled = [difference(champion, challenger)(weights) for weights in group_weights(groups, RESAMPLES)]
    comparisons = []
    for name, tolerance in tolerances.items():
        worse = better * np.concatenate([block[name] for block in resampled])
        conclusive = enough and rests_on_enough(worse)
        worse = worse[np.isfinite(worse)]
        if not np.isfinite(of_champion[name][0]) or not len(worse):
            continue
        low, high = np.percentile(worse, [2.5, 97.5])
        # The fraction of resamples that are not worse by more than the tolerance; never exactly 0.
        p = (1 + (worse <= tolerance).sum()) / (1 + len(worse)) if conclusive else 1.0
        comparisons.append(
            Comparison(
                model_name,
                name,
                champion=float(of_champion[name][0]),
                challenger=float(of_challenger[name][0]),
                worse=float(better * (of_champion[name][0] - of_challenger[name][0])),
                low=float(low),
                high=float(high),
                tolerance=tolerance,
                p=float(p),
            )
        )
    return comparisons


def holm_correct(comparisons: Sequence[Comparison], level: float = LEVEL) -> list[Comparison]:
    """Returns the comparisons with `rejected` set, at a family-wise error rate of `level` (Holm 1979)."""
    rejected: set[int] = set()
    for rank, index in enumerate(sorted(range(len(comparisons)), key=lambda index: comparisons[index].p)):
        if comparisons[index].p > level / (len(comparisons) - rank):
            break
        rejected.add(index)
    return [one._replace(rejected=index in rejected) for index, one in enumerate(comparisons)]
