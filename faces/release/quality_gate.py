"""The gate's checks of metrics, baselines and slices; each is decided on the metric's 95% interval."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A metric on the test split and its 95% interval; NaN where unknown."""

    value: float
    low: float
    high: float


WORST_FIRST = ("failed", "inconclusive", "passed")
"""Outcomes of a check."""

UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


class Check(NamedTuple):
    """One row of the gate result: `value`, with its interval, is compared with `threshold` as `bound` says.

    `outcome` is passed, failed or inconclusive.
    """

    model: str
    check: str
    value: float
    low: float
    high: float
    bound: str
    threshold: float
    outcome: str


def interval_of(figures: Mapping[str, float], name: str) -> Interval:
    """Reads `accuracy`, `accuracy_low` and `accuracy_high` from a metrics file or a row of a table."""
    return Interval(*(float(figures[f"{name}{end}"]) for end in ("", "_low", "_high")))


def at_most(model_name: str, check: str, interval: Interval, threshold: float) -> Check:
    """Fails if the value is above the threshold; inconclusive if only its interval reaches above it.

    With too few test images nothing passes, and neither does an unknown metric.
    """
    outcome = "passed" if interval.high <= threshold else "inconclusive"
    return Check(
        model_name, check, *interval, "at most", threshold, "failed" if interval.value > threshold else outcome
    )


def at_least(model_name: str, check: str, interval: Interval, threshold: float) -> Check:
    """Like `at_most`, for a lower bound."""
    outcome = "passed" if interval.low >= threshold else "inconclusive"
    return Check(
        model_name, check, *interval, "at least", threshold, "failed" if interval.value < threshold else outcome
    )


def no_slice_above(model_name: str, check: str, slices: Mapping[str, Interval], threshold: float) -> Check:
    """Fails if the whole interval of a slice is above the threshold.

    A slice may be small, so it passes unless there is evidence against it. The row describes the slice above the
    threshold, or nearest to it. Slices without an interval are ignored; if there is no other, it is inconclusive.
    """
    known = {name: interval for name, interval in slices.items() if np.isfinite(interval.low)}
    if not known:
        return Check(model_name, check, *UNKNOWN, "no slice above", threshold, "inconclusive")
    name, interval = max(known.items(), key=lambda item: item[1].low)
    outcome = "failed" if interval.low > threshold else "passed"
    return Check(model_name, f"{check} ({name})", *interval, "no slice above", threshold, outcome)


def no_slice_below(model_name: str, check: str, slices: Mapping[str, Interval], threshold: float) -> Check:
    """Like `no_slice_above`, for a lower bound."""
    negated = {name: Interval(-interval.value, -interval.high, -interval.low) for name, interval in slices.items()}
    above = no_slice_above(model_name, check, negated, -threshold)
    interval = Interval(-above.value, -above.high, -above.low)
    return Check(model_name, above.check, *interval, "no slice below", threshold, above.outcome)


def int8_checks(
    model_name: str, check: str, worse: Interval, threshold: float, metrics: Mapping[str, Any]
) -> list[Check]:
    """Fails if the whole interval of what int8 makes worse is above the threshold; no check of a float32 evaluation.

    The two precisions differ in a few test images, so a bound on the upper end would need very many of them. An unknown
    difference is inconclusive.
    """
    if metrics["precision"] != "int8":
        return []
    outcome = "failed" if worse.low > threshold else "passed" if np.isfinite(worse.low) else "inconclusive"
    return [Check(model_name, check, *worse, "not wholly above", threshold, outcome)]


def outcome_of(checks: list[Check]) -> str:
    """Returns the worst outcome: failed if a check failed, otherwise inconclusive if one was inconclusive."""
    return min((check.outcome for check in checks), key=WORST_FIRST.index)


def leakage_check(model_name: str, metrics: Mapping[str, float]) -> Check:
    """Fails on a split with known leakage: its metrics are no evidence, whatever their values."""
    is_leaky = float(metrics["is_leaky"])
    return at_most(model_name, "test split known to leak (1 = yes)", Interval(is_leaky, is_leaky, is_leaky), 0.0)


def keypoint_checks(
    metrics: Mapping[str, float],
    slices: Mapping[str, Interval],
    *,
    max_nme: float,
    max_rmse_px: float,
    max_failure_rate: float,
    max_nme_ratio: float,
    max_slice_nme: float,
    max_int8_nme_increase: float,
) -> list[Check]:
    """Returns the checks of the keypoint model; `slices` are the slices' NMEs by name.

    `max_nme_ratio` bounds the NME divided by that of the mean face. A `metrics` file has flat keys. There is a check of
    int8 only where int8 is what was evaluated.
    """
    ratio = Interval(*(end / metrics["baseline_nme"] for end in interval_of(metrics, "nme")))
    return [
        leakage_check("keypoints", metrics),
        at_most("keypoints", "NME", interval_of(metrics, "nme"), max_nme),
        at_most("keypoints", "RMSE, px", interval_of(metrics, "rmse_px"), max_rmse_px),
        at_most(
            "keypoints",
            "fraction of faces over 10% NME",
            interval_of(metrics, "failure_rate_at_010"),
            max_failure_rate,
        ),
        at_most("keypoints", "NME over the mean face's NME", ratio, max_nme_ratio),
        no_slice_above("keypoints", "NME of the worst slice", slices, max_slice_nme),
        *int8_checks(
            "keypoints", "NME added by int8", interval_of(metrics, "int8_delta_nme"), max_int8_nme_increase, metrics
        ),
    ]


def emotion_checks(
    metrics: Mapping[str, float],
    slices: Mapping[str, Interval],
    recalls: Mapping[str, Interval],
    *,
    min_accuracy: float,
    min_macro_f1: float,
    max_ece: float,
    min_skill_score: float,
    min_recall: float,
    min_slice_accuracy: float,
    max_int8_accuracy_drop: float,
) -> list[Check]:
    """Returns the checks of the emotion model; `slices` are the slices' accuracies, `recalls` the classes', by name.

    `min_skill_score` bounds (accuracy - baseline) / (1 - baseline), where the baseline is the majority class's
    accuracy. With a `min_recall` of 0 there is no check of the recalls. There is a check of int8 only where int8 is
    what was evaluated.
    """
    base = metrics["baseline_accuracy"]
    skill = Interval(
        *((end - base) / (1 - base) if base < 1 else float("nan") for end in interval_of(metrics, "accuracy"))
    )
    each = [
        at_least("emotion", f"recall of the worst class ({name})", interval, min_recall)
        for name, interval in recalls.items()
    ]
    delta = interval_of(metrics, "int8_delta_accuracy")
    lost = Interval(-delta.value, -delta.high, -delta.low)
    # Of equal outcomes, a class too rare for an interval comes first: nothing is known of it.
    worst = min(each, key=lambda check: (WORST_FIRST.index(check.outcome), np.nan_to_num(check.low, nan=-1.0)))
    return [
        leakage_check("emotion", metrics),
        at_least("emotion", "accuracy", interval_of(metrics, "accuracy"), min_accuracy),
        at_least("emotion", "macro F1", interval_of(metrics, "macro_f1"), min_macro_f1),
        at_most("emotion", "calibration error (ECE)", interval_of(metrics, "ece"), max_ece),
        at_least("emotion", "skill score against the majority class", skill, min_skill_score),
        *([worst] if min_recall else []),
        no_slice_below("emotion", "accuracy of the worst slice", slices, min_slice_accuracy),
        *int8_checks("emotion", "accuracy lost by int8", lost, max_int8_accuracy_drop, metrics),
    ]
