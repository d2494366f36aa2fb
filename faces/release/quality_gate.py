"""The gate's rules: floors, baselines and slices, each decided on its 95% interval and not on a point alone."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Ends(NamedTuple):
    """A metric on the test faces, and its 95% interval; NaN where it is unknown."""

    value: float
    low: float
    high: float


WORST_FIRST = ("failed", "undecided", "passed")
"""Outcomes of a rule."""

UNKNOWN = Ends(float("nan"), float("nan"), float("nan"))


class Rule(NamedTuple):
    """One row of the verdict: `value`, with its interval, must be at most, or at least, `threshold`.

    `outcome` is passed, failed or undecided.
    """

    head: str
    rule: str
    value: float
    low: float
    high: float
    bound: str
    threshold: float
    outcome: str


def ends_of(figures: Mapping[str, float], name: str) -> Ends:
    """`accuracy`, `accuracy_low` and `accuracy_high` of a metrics file or of a row of a table."""
    return Ends(*(float(figures[f"{name}{end}"]) for end in ("", "_low", "_high")))


def at_most(head: str, rule: str, ends: Ends, threshold: float) -> Rule:
    """Failed where the value is over the threshold; undecided where only the interval reaches over it.

    So where the test faces are too few to tell, nothing passes; nor does a metric that is unknown.
    """
    outcome = "passed" if ends.high <= threshold else "undecided"
    return Rule(head, rule, *ends, "at most", threshold, "failed" if ends.value > threshold else outcome)


def at_least(head: str, rule: str, ends: Ends, threshold: float) -> Rule:
    """As `at_most`, the other way round."""
    outcome = "passed" if ends.low >= threshold else "undecided"
    return Rule(head, rule, *ends, "at least", threshold, "failed" if ends.value < threshold else outcome)


def none_surely_over(head: str, rule: str, parts: Mapping[str, Ends], threshold: float) -> Rule:
    """Failed where the whole interval of some part of the test faces lies over the threshold.

    A part may be small, so it passes for as long as nothing speaks against it. The row is of the part that is over, or
    nearest to it; parts without an interval are passed over.
    """
    known = {name: ends for name, ends in parts.items() if np.isfinite(ends.low)}
    if not known:
        return Rule(head, rule, *UNKNOWN, "not surely over", threshold, "undecided")
    name, ends = max(known.items(), key=lambda part: part[1].low)
    outcome = "failed" if ends.low > threshold else "passed"
    return Rule(head, f"{rule} ({name})", *ends, "not surely over", threshold, outcome)


def none_surely_under(head: str, rule: str, parts: Mapping[str, Ends], threshold: float) -> Rule:
    """As `none_surely_over`, the other way round."""
    negated = {name: Ends(-ends.value, -ends.high, -ends.low) for name, ends in parts.items()}
    found = none_surely_over(head, rule, negated, -threshold)
    ends = Ends(-found.value, -found.high, -found.low)
    return Rule(head, found.rule, *ends, "not surely under", threshold, found.outcome)


def outcome_of(rules: list[Rule]) -> str:
    """Of all rules together: failed where one is, undecided where none is but one could not be decided."""
    return min((rule.outcome for rule in rules), key=WORST_FIRST.index)


def leaks_rule(head: str, metrics: Mapping[str, float]) -> Rule:
    """Metrics on a split that leaks are no evidence, whatever they are."""
    leaking = float(metrics["leaking"])
    return at_most(head, "test faces known to leak (1 = yes)", Ends(leaking, leaking, leaking), 0.0)


def keypoint_rules(
    metrics: Mapping[str, float],
    slices: Mapping[str, Ends],
    *,
    max_nme: float,
    max_rmse_px: float,
    max_failure_rate: float,
    max_share_of_baseline: float,
    max_slice_nme: float,
) -> list[Rule]:
    """`max_share_of_baseline` bounds the NME as a share of the mean face's; `slices` are NMEs by name."""
    share = Ends(*(end / metrics["baseline_nme"] for end in ends_of(metrics, "nme")))
    return [
        leaks_rule("keypoints", metrics),
        at_most("keypoints", "NME", ends_of(metrics, "nme"), max_nme),
        at_most("keypoints", "RMSE, px", ends_of(metrics, "rmse_px"), max_rmse_px),
        at_most("keypoints", "share of faces over 10% NME", ends_of(metrics, "failure_rate"), max_failure_rate),
        at_most("keypoints", "NME as a share of the mean face's", share, max_share_of_baseline),
        none_surely_over("keypoints", "NME of the worst slice", slices, max_slice_nme),
    ]


def emotion_rules(
    metrics: Mapping[str, float],
    slices: Mapping[str, Ends],
    recalls: Mapping[str, Ends],
    *,
    min_accuracy: float,
    min_macro_f1: float,
    max_ece: float,
    min_share_of_gap: float,
    min_recall: float,
    min_slice_accuracy: float,
) -> list[Rule]:
    """`min_share_of_gap` bounds how much of the way from the majority class's accuracy to 1 is gone.

    `slices` are accuracies and `recalls` those of each class, by name; a `min_recall` of 0 asks for nothing.
    """
    base = metrics["baseline_accuracy"]
    gap = Ends(*((end - base) / (1 - base) if base < 1 else float("nan") for end in ends_of(metrics, "accuracy")))
    each = [
        at_least("emotion", f"recall of the worst class ({name})", ends, min_recall) for name, ends in recalls.items()
    ]
    # Among equals a class too rare for an interval comes first: of that one nothing is known.
    worst = min(each, key=lambda rule: (WORST_FIRST.index(rule.outcome), np.nan_to_num(rule.low, nan=-1.0)))
    return [
        leaks_rule("emotion", metrics),
        at_least("emotion", "accuracy", ends_of(metrics, "accuracy"), min_accuracy),
        at_least("emotion", "macro F1", ends_of(metrics, "macro_f1"), min_macro_f1),
        at_most("emotion", "calibration error (ECE)", ends_of(metrics, "ece"), max_ece),
        at_least("emotion", "share of the gap from majority class to 1", gap, min_share_of_gap),
        *([worst] if min_recall else []),
        none_surely_under("emotion", "accuracy of the worst slice", slices, min_slice_accuracy),
    ]
