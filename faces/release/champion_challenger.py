"""Whether a challenger is worse than the champion on the same test faces: a paired bootstrap, corrected by Holm."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from faces.evaluation.bootstrap import FEWEST, Measure, group_weights, rests_on_enough
from faces.evaluation.weighted_metrics import class_measure, difference, keypoint_measure

LEVEL = 0.05
"""How often an equal challenger may be rejected, all comparisons together."""

RESAMPLES = 4000
"""So many that a p-value can fall well under the smallest level that Holm asks for."""


class Comparison(NamedTuple):
    """One metric of both networks on the same faces.

    `worse` is by how much the challenger is worse (negative: better), with its 95% interval. `p` is how likely the
    evidence that it is worse by more than `tolerance` would be by chance; `rejected` follows from all of them together.
    """

    head: str
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
    """Accuracy and the recall of each class, by their tolerances; probabilities (N, classes) of faces (N,)."""

    def measure(probabilities: np.ndarray) -> Measure:
        right, each = (probabilities.argmax(axis=1) == labels).astype(float), class_measure(labels, probabilities)
        return lambda weights: {
            "accuracy": weights @ right / weights.sum(axis=1),
            **{f"recall of {name}": column for name, column in zip(classes, each(weights)["recall"].T, strict=True)},
        }

    tolerances = {"accuracy": accuracy} | {f"recall of {name}": recall for name in classes}
    return _comparisons("emotion", measure(champion), measure(challenger), groups, tolerances, better=1)


def keypoint_comparisons(
    points: np.ndarray, champion: np.ndarray, challenger: np.ndarray, groups: np.ndarray, *, nme: float
) -> list[Comparison]:
    """The NME, by its tolerance; points (N, 15, 2) each, NaN = unlabelled."""
    measures = keypoint_measure(points, champion), keypoint_measure(points, challenger)
    return _comparisons("keypoints", *measures, groups, {"nme": nme}, better=-1)


def _comparisons(
    head: str, champion: Measure, challenger: Measure, groups: np.ndarray, tolerances: Mapping[str, float], better: int
) -> list[Comparison]:
    """`better` is 1 where larger is better, -1 where smaller is.

    Metrics unknown for want of faces are left out, and nobody is rejected by one that rests on very few groups.
    """
    whole, enough = np.ones((1, len(groups))), len(np.unique(groups)) >= FEWEST
    ours, theirs = champion(whole), challenger(whole)
    draws = [difference(champion, challenger)(weights) for weights in group_weights(groups, RESAMPLES)]
    found = []
    for name, tolerance in tolerances.items():
        worse = better * np.concatenate([draw[name] for draw in draws])
        telling = enough and rests_on_enough(worse)
        worse = worse[np.isfinite(worse)]
        if not np.isfinite(ours[name][0]) or not len(worse):
            continue
        low, high = np.percentile(worse, [2.5, 97.5])
        # How often resampled evidence no longer says "worse by more than the tolerance"; never quite 0.
        p = (1 + (worse <= tolerance).sum()) / (1 + len(worse)) if telling else 1.0
        found.append(
            Comparison(
                head,
                name,
                champion=float(ours[name][0]),
                challenger=float(theirs[name][0]),
                worse=float(better * (ours[name][0] - theirs[name][0])),
                low=float(low),
                high=float(high),
                tolerance=tolerance,
                p=float(p),
            )
        )
    return found


def judged_together(comparisons: Sequence[Comparison], level: float = LEVEL) -> list[Comparison]:
    """Which are rejected, so that an equal challenger loses in at most `level` of all cases (Holm 1979)."""
    rejected: set[int] = set()
    for rank, place in enumerate(sorted(range(len(comparisons)), key=lambda place: comparisons[place].p)):
        if comparisons[place].p > level / (len(comparisons) - rank):
            break
        rejected.add(place)
    return [one._replace(rejected=place in rejected) for place, one in enumerate(comparisons)]
